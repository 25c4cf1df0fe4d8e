"""What the audit endpoint depends on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.tokens import Principal
from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.dependencies import get_current_principal
from nexus_gateway.auth.errors import InsufficientScopeError
from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.context import get_context


async def get_audit(connection: HTTPConnection) -> AuditWriter:
    """What records audit events."""
    return (await get_context(connection)).audit


async def get_audit_service(connection: HTTPConnection) -> AuditService:
    """The application's audit log."""
    return (await get_context(connection)).audit_log


async def get_auditor(connection: HTTPConnection) -> Principal:
    """Who sends the request, if it may read the audit log; raises InsufficientScopeError."""
    principal = await get_current_principal(connection)
    if ADMIN not in principal.scopes:
        raise InsufficientScopeError([ADMIN])
    return principal


Audit = Annotated[AuditWriter, Depends(get_audit)]
AuditLog = Annotated[AuditService, Depends(get_audit_service)]
Auditor = Annotated[Principal, Depends(get_auditor)]
