"""The audit log over HTTP."""

from typing import Annotated

from fastapi import Query, Response

from nexus_chassis.routing import Router
from nexus_chassis.tokens import Principal
from nexus_gateway.audit.dependencies import AuditLog, Auditor
from nexus_gateway.audit.models import Filter, Outcome
from nexus_gateway.audit.schemas import AuditPage, AuditRow

_MAX_SEQ = 2**63 - 1
_TEXT = r"^[^\x00]*$"  # PostgreSQL takes no NUL
_EVERYTHING = "default"
"""The tenant whose administrators see what happened in every tenant, and outside of them."""

router = Router(tags=["audit"])


@router.get("/v1/audit", summary="The audit log")
async def audit(
    *,
    auditor: Auditor,
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
    wanted = Filter(tenant=_visible_tenant(auditor), action=action, subject=subject, outcome=outcome)
    entries, following = await log.page(wanted, after, limit)
    response.headers["Cache-Control"] = "no-store"
    return AuditPage(items=[AuditRow.of(entry) for entry in entries], next=following)


def _visible_tenant(auditor: Principal) -> str | None:
    return None if auditor.tenant in {None, _EVERYTHING} else auditor.tenant
