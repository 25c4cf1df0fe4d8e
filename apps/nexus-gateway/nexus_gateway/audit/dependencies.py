"""What the audit endpoint depends on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.context import get_context


async def get_audit(connection: HTTPConnection) -> AuditWriter:
    """What records audit events."""
    return (await get_context(connection)).audit


async def get_audit_service(connection: HTTPConnection) -> AuditService:
    """The application's audit log."""
    return (await get_context(connection)).administration.audit_log


Audit = Annotated[AuditWriter, Depends(get_audit)]
AuditLog = Annotated[AuditService, Depends(get_audit_service)]
