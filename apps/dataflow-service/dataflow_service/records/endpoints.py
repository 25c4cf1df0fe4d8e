"""/v1/{model} and below: rows."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request, Response
from pydantic_core import to_json

from dataflow_service.records import encoding, parsing
from dataflow_service.records.dependencies import ModelAtPath, Records, Writer
from dataflow_service.records.schemas import ROW_BODY, ROWS_BODY, CreatedRows, Row, RowCount, RowPage
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
    model: ModelAtPath,
    records: Records,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
    order: Literal["id", "-id"] = "id",
) -> Response:
    """List rows by id, ascending or (`-id`) descending; `after` is the `next` of the page before."""
    start = None if after is None else parsing.page_start(model, after)
    page = await records.read_page(model, after=start, limit=limit, descending=order == "-id")
    return _json(encoding.page_json(model, page))


@router.post("", status_code=201, openapi_extra=ROW_BODY, response_model=Row)
async def create_row(request: Request, principal: Writer, model: ModelAtPath, records: Records) -> Response:
    """Create a row."""
    values = parsing.new_row(model, await _read(request, MAX_BODY_BYTES))
    row = await records.create(principal, model, values)
    location = f"{model.path}/{row['id']}"  # relative: also right behind a gateway
    return _json(encoding.row_json(model, row), 201, {"Location": location})


@router.post("/bulk", status_code=201, openapi_extra=ROWS_BODY, response_model=CreatedRows)
async def create_rows(request: Request, principal: Writer, model: ModelAtPath, records: Records) -> Response:
    """Create a row from each object of a JSON array, all or none."""
    rows = parsing.new_rows(model, await _read(request, MAX_BULK_BYTES))
    ids = await records.create_many(principal, model, rows)
    return _json(to_json({"created": len(ids), "ids": ids}), 201)


@router.get("/count", dependencies=_reading, response_model=RowCount)
async def count_rows(model: ModelAtPath, records: Records) -> Response:
    """Count the rows of a model."""
    return _json(to_json({"count": await records.count(model)}))


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
    return _json(encoding.row_json(model, await records.change(principal, model, identity, values)))


@router.put("/{row_id}", openapi_extra=ROW_BODY, response_model=Row)
async def replace_row(
    request: Request, principal: Writer, model: ModelAtPath, records: Records, row_id: str
) -> Response:
    """Set all fields; those that are not sent get their defaults."""
    identity = parsing.row_id(model, row_id)
    values = parsing.new_row(model, await _read(request, MAX_BODY_BYTES))
    return _json(encoding.row_json(model, await records.change(principal, model, identity, values)))


@router.delete("/{row_id}", status_code=204)
async def delete_row(principal: Writer, model: ModelAtPath, records: Records, row_id: str) -> Response:
    """Delete a row."""
    await records.delete(principal, model, parsing.row_id(model, row_id))
    return Response(status_code=204)


async def _read(request: Request, limit: int) -> Any:  # noqa: ANN401 - any JSON value
    return await read_json(request, limit, decimals=True)


def _json(content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(content, status, headers, media_type="application/json")
