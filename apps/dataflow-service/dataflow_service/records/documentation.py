"""How the bodies of rows look in the OpenAPI document: which fields a row has, its model's JSON Schema says."""

from typing import Any

type Schema = dict[str, Any]

ROW: Schema = {"type": "object", "title": "Row", "additionalProperties": True}
ROWS: Schema = {"type": "array", "title": "Rows", "items": ROW}
PAGE: Schema = {
    "type": "object",
    "title": "Page",
    "properties": {"items": ROWS, "next": {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "Next"}},
    "required": ["items", "next"],
}
COUNT: Schema = {
    "type": "object",
    "title": "Count",
    "properties": {"count": {"type": "integer", "title": "Count"}},
    "required": ["count"],
}
CREATED: Schema = {
    "type": "object",
    "title": "Created",
    "properties": {"created": {"type": "integer", "title": "Created"}, "ids": {"type": "array", "items": {}}},
    "required": ["created", "ids"],
}


def body(schema: Schema) -> Schema:
    """What to add to an operation whose body the endpoint reads itself."""
    return {"requestBody": {"content": {"application/json": {"schema": schema}}, "required": True}}


def documented(schema: Schema, status: int = 200) -> dict[int | str, Schema]:
    """The answer of an endpoint that makes its JSON itself."""
    return {status: {"content": {"application/json": {"schema": schema}}}}
