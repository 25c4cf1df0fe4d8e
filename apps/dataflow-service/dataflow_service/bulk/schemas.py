"""How requests for many rows look in the OpenAPI document."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from dataflow_service.records.parsing import MAX_ROWS

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
PARQUET = "application/vnd.apache.parquet"
MEDIA_TYPES = (JSON, NDJSON, CSV)
"""What rows are sent as."""

_ROW = {"$ref": "#/components/schemas/Row"}
_LINES = {"type": "string", "description": "a row on each line"}
ROWS_BODY = {
    "requestBody": {
        "content": {JSON: {"schema": {"type": "array", "title": "Rows", "items": _ROW, "maxItems": MAX_ROWS}}},
        "description": f"a JSON array; or {NDJSON}, a row on each line, or {CSV}, with the names of the fields on the first line",
        "required": True,
    }
}
"""Streams are described in words: generators of clients cannot tell bodies of several types apart."""


EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the rows",
        "content": {
            NDJSON: {"schema": _LINES},
            CSV: {"schema": _LINES},
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}

OperationParameter = Annotated[
    Literal["create", "upsert", "update", "delete"], Query(description="what is done with each row")
]
FormatParameter = Annotated[
    Literal["ndjson", "csv", "parquet"],
    Query(description="a JSON object on each line, CSV, or Parquet where the service has the extra `parquet`"),
]


class BulkResult(BaseModel):
    """How many rows were changed in each way. `ids` has those of the rows of an array, in its order."""

    created: int | None = Field(None, description="of create and upsert")
    updated: int | None = Field(None, description="of update and upsert")
    deleted: int | None = Field(None, description="of delete")
    ids: list[Any] | None = Field(None, description="of an array, not of a stream")


CHANGED: dict[int | str, dict[str, Any]] = {200: {"description": "the rows are changed", "model": BulkResult}}
