"""How rows and the answers about them look in the OpenAPI document; which fields a row has, its model's JSON Schema says."""

from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

ROW_BODY = {
    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Row"}}}, "required": True}
}


def header(name: str, description: str) -> dict[str, list[Any]]:
    """Return the description of a header field of requests."""
    return {"parameters": [{"name": name, "in": "header", "description": description, "schema": {"type": "string"}}]}


IF_MATCH = header("If-Match", "ETags, one of which the row must have to be changed (RFC 9110 section 13.1.1)")
PREFER = header("Prefer", "`numbers=string` answers 64 bit integers as strings (RFC 7240)")
IF_NONE_MATCH = header(
    "If-None-Match", "ETags; a row that has one of them is answered with 304 (RFC 9110 section 13.1.2)"
)
NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "The row has one of the ETags"}}


def with_headers(*described: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return the description of several header fields together."""
    return {"parameters": [one for part in described for one in part["parameters"]]}


_FILTER = (
    "JSON: fields with the values they equal, or with $eq $ne $gt $gte $lt $lte $in $nin $like $ilike $null; "
    "$and, $or and $not combine filters"
)
_AFTER = "the `next` of the page before, in the same order"

FilterParameter = Annotated[str | None, Query(description=_FILTER)]
_SEARCH = (
    "what people type: words, parts of words and codes, with typing mistakes; also words side by side in quotes, `or`, and "
    "`-` before a word to leave out. The rows that match best come first, unless an order is asked for"
)

SearchParameter = Annotated[str | None, Query(description=_SEARCH)]
FieldsParameter = Annotated[str | None, Query(description="fields to answer, with commas between them")]
OrderParameter = Annotated[str | None, Query(description="fields to order by, with commas; `-` in front: descending")]
ExpandParameter = Annotated[str | None, Query(description="fields, with commas, whose related rows are answered too")]
OnParameter = Annotated[
    str | None,
    Query(description="fields of a unique index, with commas, by which `upsert` finds the row that is there"),
]
DeletedParameter = Annotated[
    bool, Query(description="the rows that are deleted and can be restored, in place of the others; needs `data:write`")
]
AfterParameter = Annotated[str | None, Query(description=_AFTER)]


_Names = Annotated[list[str], Field(min_length=1)] | str


class RowQuery(BaseModel):
    """A query of rows, or with `aggregates` of groups of rows."""

    model_config = ConfigDict(extra="forbid")

    filter: dict[str, Any] = Field({}, description=_FILTER)
    search: str | None = Field(None, description=_SEARCH)
    fields: _Names | None = Field(None, description="fields to answer")
    order: _Names | None = Field(None, description="fields to order by; `-` in front: descending")
    after: str | None = Field(None, description=_AFTER)
    limit: int = Field(100, ge=1, le=1000, description="rows or groups in a page")
    expand: _Names | None = Field(None, description="fields whose related rows are answered too")
    aggregates: dict[Literal["count", "sum", "min", "max", "avg"], _Names] = Field(
        default_factory=dict, min_length=1, description="fields of each function; `*` of count"
    )
    group_by: list[str] | str | None = Field(None, description="fields that the rows of a group share")


QUERY_BODY = {
    "requestBody": {"content": {"application/json": {"schema": RowQuery.model_json_schema()}}, "required": True}
}


class Row(BaseModel):
    """A row: its fields by their names."""

    model_config = ConfigDict(extra="allow")


CREATED: dict[int | str, dict[str, Any]] = {
    201: {"model": Row, "description": "The row is new, with the id in the address, which is text or a UUID"}
}


class RowPage(BaseModel):
    """Rows in the order asked for; `next` is the `after` of the page after this one, null on the last."""

    items: list[Row]
    next: str | None


class Group(BaseModel):
    """Rows that have the values of `group` in common: what each function makes of a field of theirs."""

    model_config = ConfigDict(extra="allow")

    group: dict[str, Any]


class GroupPage(BaseModel):
    """Groups of rows; `next` is the `after` of the page after this one, null on the last."""

    items: list[Group]
    next: str | None


class RowCount(BaseModel):
    """How many rows there are."""

    count: int
