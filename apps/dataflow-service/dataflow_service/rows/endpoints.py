"""/v1/{model} and below: rows."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic_core import to_json

from dataflow_service.catalogue import service as catalogue_service
from dataflow_service.catalogue.endpoints import catalogue_of
from dataflow_service.catalogue.schemas import Catalogue, Model
from dataflow_service.rows.schemas import MOST_BYTES
from dataflow_service.rows.service import RowService
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import require

router = APIRouter(prefix="/v1/{path}", tags=["rows"])
_reading = [Depends(require("data:read"))]
_writing = [Depends(require("data:write"))]


def _model(path: str, catalogue: Annotated[Catalogue, Depends(catalogue_of)]) -> Model:
    return catalogue_service.at_path(catalogue, path)


def _rows(request: Request) -> RowService:
    service: RowService = request.app.state.rows
    return service


async def _body(request: Request) -> bytes:
    """Read the body, and stop as soon as it is too long."""
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MOST_BYTES:
            detail = f"The body is longer than {MOST_BYTES} bytes. Send the rows in parts."
            raise Problem(413, "body-too-long", "The body is too long", detail, most=MOST_BYTES)
    return bytes(parts)


ModelAt = Annotated[Model, Depends(_model)]
Rows = Annotated[RowService, Depends(_rows)]
Body = Annotated[bytes, Depends(_body)]


@router.get("", dependencies=_reading)
async def list_rows(
    model: ModelAt,
    rows: Rows,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: str | None = None,
    order: Literal["id", "-id"] = "id",
) -> Response:
    """List rows by id, ascending or (`-id`) descending; `after` is the `next` of the page before."""
    return _answer(await rows.list(model, after=after, limit=limit, descending=order == "-id"))


@router.post("", status_code=201, dependencies=_writing)
async def create_row(model: ModelAt, rows: Rows, body: Body) -> Response:
    """Create a row."""
    row = await rows.create(model, body)
    return _answer(row, 201, {"Location": f"{model.path}/{row['id']}"})  # relative: also right behind a gateway


@router.post("/bulk", status_code=201, dependencies=_writing)
async def create_rows(model: ModelAt, rows: Rows, body: Body) -> Response:
    """Create a row from each object of a JSON array, all or none."""
    ids = await rows.create_many(model, body)
    return _answer({"created": len(ids), "ids": ids}, 201)


@router.get("/count", dependencies=_reading)
async def count_rows(model: ModelAt, rows: Rows) -> Response:
    """Count the rows of a model."""
    return _answer({"count": await rows.count(model)})


@router.get("/{row_id}", dependencies=_reading)
async def read_row(model: ModelAt, rows: Rows, row_id: str) -> Response:
    """Give a row."""
    return _answer(await rows.read(model, row_id))


@router.patch("/{row_id}", dependencies=_writing)
async def change_row(model: ModelAt, rows: Rows, row_id: str, body: Body) -> Response:
    """Set the fields that are sent, and leave the others."""
    return _answer(await rows.change(model, row_id, body))


@router.put("/{row_id}", dependencies=_writing)
async def replace_row(model: ModelAt, rows: Rows, row_id: str, body: Body) -> Response:
    """Set all fields; those that are not sent get their defaults."""
    return _answer(await rows.replace(model, row_id, body))


@router.delete("/{row_id}", status_code=204, dependencies=_writing)
async def delete_row(model: ModelAt, rows: Rows, row_id: str) -> Response:
    """Delete a row."""
    await rows.delete(model, row_id)
    return Response(status_code=204)


def _answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:  # noqa: ANN401 - any JSON value
    return Response(to_json(content), status, headers, media_type="application/json")
