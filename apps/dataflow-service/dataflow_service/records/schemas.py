"""How rows and the answers about them look in the OpenAPI document; which fields a row has, its model's JSON Schema says."""

from typing import Any

from pydantic import BaseModel, ConfigDict

ROW_BODY = {
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Row"}}}, "required": True}
}
ROWS_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"type": "array", "title": "Rows", "items": {"$ref": "#/components/schemas/Row"}}
            }
        },
        "required": True,
    }
}


class Row(BaseModel):
    """A row: its fields by their names."""

    model_config = ConfigDict(extra="allow")


class RowPage(BaseModel):
    """Rows by id; `next` is the `after` of the page after this one, null on the last."""

    items: list[Row]
    next: str | None


class RowCount(BaseModel):
    """How many rows there are."""

    count: int


class CreatedRows(BaseModel):
    """How many rows were created, and their ids."""

    created: int
    ids: list[Any]
