"""The audit log over HTTP."""

from typing import Annotated

from fastapi import Query, Response

from nexus_chassis.routing import Router
from nexus_gateway.audit.dependencies import AuditLog
from nexus_gateway.audit.models import Filter, Outcome
from nexus_gateway.audit.schemas import AuditPage, AuditRow
from nexus_gateway.auth.dependencies import Administrator

_MAX_SEQ = 2**63 - 1
_TEXT = r"^[^\x00]*$"  # PostgreSQL takes no NUL

router = Router(tags=["audit"])


@router.get("/v1/audit", summary="The audit log")
async def audit(
    *,
    administrator: Administrator,
    log: AuditLog,
    response: Response,
    after: Annotated[int, Query(ge=0, le=_MAX_SEQ)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    action: Annotated[str | None, Query(max_length=100, pattern=_TEXT)] = None,
    subject: Annotated[str | None, Query(max_length=200, pattern=_TEXT)] = None,
    outcome: Outcome | None = None,
) -> AuditPage:
    """Who did what, oldest first; `after` is the `next` of the page before.

    Administrators of the tenant `default` see everything, others what happened in their tenant.
    """
    wanted = Filter(tenant=administrator.administered_tenant, action=action, subject=subject, outcome=outcome)
    entries, following = await log.page(wanted, after, limit)
    response.headers["Cache-Control"] = "no-store"
    return AuditPage(items=[AuditRow.of(entry) for entry in entries], next=following)
