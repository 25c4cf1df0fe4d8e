"""GET /v1/changes."""

from typing import Annotated

from fastapi import Query, Request, Response

from dataflow_service.changes.dependencies import Changes
from dataflow_service.changes.position import Position
from dataflow_service.changes.schemas import ChangePage
from dataflow_service.records.dependencies import Reader
from dataflow_service.records.errors import Fault, InvalidQueryError
from dataflow_service.records.preferences import preference_applied, prefers_texts
from dataflow_service.records.schemas import PREFER
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.routing import Router

MAX_LIMIT = 1000
LATEST = "latest"
_AFTER = f"the `next` of the page before, or the `event` of a change; `{LATEST}` returns where the feed ends now"

router = Router(prefix="/v1", tags=["changes"])


@router.get("/changes", openapi_extra=PREFER, response_model=ChangePage)
async def list_changes(
    request: Request,
    principal: Reader,
    changes: Changes,
    *,
    after: Annotated[str | None, Query(description=_AFTER)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
) -> Response:
    """List committed changes of the tenant in the order of their transactions: those after a position, or the oldest kept."""
    if after == LATEST:
        return Response(await changes.latest(), media_type="application/json")
    texts = prefers_texts(request.headers)
    page = changes.page(principal, None if after is None else _position(after), limit, texts=texts)
    content = await cancel_on_disconnect(request, page)
    return Response(content, headers=preference_applied(texts=texts), media_type="application/json")


def _position(text: str) -> Position:
    try:
        return Position.parse(text)
    except ValueError as error:
        text = f"{error} Send `next` or `event` unchanged"
        raise InvalidQueryError([Fault(("query", "after"), text)]) from None
