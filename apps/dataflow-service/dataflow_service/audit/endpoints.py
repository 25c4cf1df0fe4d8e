"""GET /v1/audit."""

from typing import Annotated

from fastapi import Query, Request, Response

from dataflow_service.audit.dependencies import AuditOfApp, Auditor
from dataflow_service.audit.parsing import query_of_address
from dataflow_service.audit.schemas import AuditPage
from dataflow_service.changes.endpoints import MAX_LIMIT
from dataflow_service.records.author import tenant_of
from dataflow_service.records.query_parsing import check_encoding
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.routing import Router

_MOMENT = "a date and time with its offset from UTC, such as 2026-02-03T04:05:06Z"

router = Router(prefix="/v1", tags=["audit"])


@router.get("/audit", response_model=AuditPage)
async def list_audited_changes(
    request: Request,
    principal: Auditor,
    audit: AuditOfApp,
    *,
    model: Annotated[str | None, Query(description="path of a model, such as `product`")] = None,
    row: Annotated[str | None, Query(description="id of a row of the model")] = None,
    subject: Annotated[str | None, Query(description="who made the changes")] = None,
    since: Annotated[str | None, Query(description=f"the first moment of the changes: {_MOMENT}")] = None,
    until: Annotated[str | None, Query(description=f"the first moment behind the changes: {_MOMENT}")] = None,
    after: Annotated[str | None, Query(description="the `next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
) -> Response:
    """List the changes of the tenant that are kept, the newest first, each with who made it and by which token."""
    check_encoding(request.scope["query_string"])
    query = query_of_address(
        tenant_of(principal), limit, after=after, model=model, row=row, subject=subject, since=since, until=until
    )
    return Response(await cancel_on_disconnect(request, audit.page(query)), media_type="application/json")
