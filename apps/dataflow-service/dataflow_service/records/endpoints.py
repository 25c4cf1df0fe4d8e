"""/v1/{model} and below: rows."""

from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from pydantic_core import to_json

from dataflow_service.records import encoding, parsing, query_parsing
from dataflow_service.records.dependencies import ModelAtPath, Records, Writer
from dataflow_service.records.query import GroupQuery
from dataflow_service.records.schemas import (
    QUERY_BODY,
    ROW_BODY,
    AfterParameter,
    FieldsParameter,
    FilterParameter,
    GroupPage,
    OrderParameter,
    Row,
    RowCount,
    RowPage,
)
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.request_body import read_json
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

MAX_BODY_BYTES = 256 * 1024
"""Bytes of a body with one row: escaped, the texts of a row take up to three times their size, or six for ASCII."""

MAX_BULK_BYTES = 4 * 1024 * 1024
"""Bytes of a body with many rows."""

router = Router(prefix="/v1/{path}", tags=["rows"])
_reading = [Depends(require("data:read"))]


@router.get("", dependencies=_reading, response_model=RowPage)
async def list_rows(
    request: Request,
    model: ModelAtPath,
    records: Records,
    *,
    filter: FilterParameter = None,  # noqa: A002 - its name in addresses
    fields: FieldsParameter = None,
    order: OrderParameter = None,
    after: AfterParameter = None,
    limit: Annotated[int, Query(ge=1, le=query_parsing.MAX_LIMIT)] = query_parsing.DEFAULT_LIMIT,
) -> Response:
    """List rows: those of a filter, with the fields and in the order asked for, page by page."""
    query_parsing.check_encoding(request.scope["query_string"])
    query = query_parsing.of_address(model, filter_text=filter, fields=fields, order=order, after=after, limit=limit)
    page = await cancel_on_disconnect(request, records.read_page(model, query))
    return _json(encoding.page_json(page))


@router.post("/query", dependencies=_reading, openapi_extra=QUERY_BODY, response_model=RowPage | GroupPage)
async def query_rows(request: Request, model: ModelAtPath, records: Records) -> Response:
    """List rows as GET does, or groups of rows with aggregates."""
    query = query_parsing.of_body(model, await _read(request, MAX_BODY_BYTES))
    if isinstance(query, GroupQuery):
        groups = await cancel_on_disconnect(request, records.read_groups(model, query))
        return _json(encoding.groups_json(groups))
    page = await cancel_on_disconnect(request, records.read_page(model, query))
    return _json(encoding.page_json(page))


@router.post("", status_code=201, openapi_extra=ROW_BODY, response_model=Row)
async def create_row(request: Request, principal: Writer, model: ModelAtPath, records: Records) -> Response:
    """Create a row."""
    values = parsing.new_row(model, await _read(request, MAX_BODY_BYTES))
    async with records.writing(principal) as rows:
        row = await rows.create(model, values)
    location = f"{model.path}/{row['id']}"  # relative: also right behind a gateway
    return _json(encoding.row_json(model, row), 201, {"Location": location})


@router.get("/count", dependencies=_reading, response_model=RowCount)
async def count_rows(
    request: Request,
    model: ModelAtPath,
    records: Records,
    filter: FilterParameter = None,  # noqa: A002 - its name in addresses
) -> Response:
    """Count the rows of a filter, or all."""
    query_parsing.check_encoding(request.scope["query_string"])
    wanted = query_parsing.filter_of_address(model, filter)
    return _json(to_json({"count": await cancel_on_disconnect(request, records.count(model, wanted))}))


@router.get("/{row_id}", dependencies=_reading, response_model=Row)
async def read_row(model: ModelAtPath, records: Records, row_id: str) -> Response:
    """Return a row."""
    return _json(encoding.row_json(model, await records.read(model, parsing.row_id(model, row_id))))


@router.patch("/{row_id}", openapi_extra=ROW_BODY, response_model=Row)
async def change_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Set the fields that are sent, and leave the others."""
    identity = parsing.row_id(model, row_id)
    values = parsing.change(model, await _read(request, MAX_BODY_BYTES))
    async with records.writing(principal) as rows:
        row = await rows.change(model, identity, values)
    return _json(encoding.row_json(model, row))


@router.put("/{row_id}", openapi_extra=ROW_BODY, response_model=Row)
async def replace_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Set all fields; those that are not sent get their defaults."""
    identity = parsing.row_id(model, row_id)
    values = parsing.new_row(model, await _read(request, MAX_BODY_BYTES))
    async with records.writing(principal) as rows:
        row = await rows.change(model, identity, values)
    return _json(encoding.row_json(model, row))


@router.delete("/{row_id}", status_code=204)
async def delete_row(principal: Writer, model: ModelAtPath, records: Records, row_id: str) -> Response:
    """Delete a row."""
    identity = parsing.row_id(model, row_id)
    async with records.writing(principal) as rows:
        await rows.delete(model, identity)
    return Response(status_code=204)


async def _read(request: Request, limit: int) -> Any:  # noqa: ANN401 - any JSON value
    return await read_json(request, limit, decimals=True)


def _json(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(content, status, headers, media_type="application/json")
