"""The JSON of rows. JSON fields are copied as the text that PostgreSQL writes, so that every digit stays."""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache
from itertools import groupby
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from dataflow_service.records.repository import Row
from dataflow_service.records.service import Page
from dataflow_service.registry.model import Model

type _Part = Callable[[Row], bytes]


def row_json(model: Model, row: Row) -> bytes:
    """Return a row as a JSON object, with the fields in the order of the model."""
    return b"{" + b",".join([part(row) for part in _parts(model)]) + b"}"


def row_values(model: Model, row: Row) -> dict[str, Any]:
    """Return a row as the values of its JSON, with the fractions in JSON fields as Decimal."""
    plain = {field.name: row[field.name] for field in model.fields if field.sql_type != "jsonb"}
    values: dict[str, Any] = to_jsonable_python(plain)
    documents = {field.name: row[field.name] for field in model.fields if field.sql_type == "jsonb"}
    values |= {
        name: None if text is None else json.loads(text, parse_float=Decimal) for name, text in documents.items()
    }
    return {field.name: values[field.name] for field in model.fields}


def page_json(model: Model, page: Page) -> bytes:
    """Return a page as a JSON object with `items` and `next`."""
    items = b",".join([row_json(model, row) for row in page.rows])
    return b'{"items":[%b],"next":%b}' % (items, to_json(page.next))


@cache
def _parts(model: Model) -> Sequence[_Part]:
    """Return an encoder for each JSON field and for each run of other fields."""
    runs = groupby(model.fields, key=lambda field: field.sql_type == "jsonb")
    return [part for is_json, fields in runs for part in _encoders([field.name for field in fields], is_json=is_json)]


def _encoders(names: list[str], *, is_json: bool) -> list[_Part]:
    return [_json_encoder(name) for name in names] if is_json else [_plain_encoder(names)]


def _json_encoder(name: str) -> _Part:
    prefix = to_json(name) + b":"

    def encode(row: Row) -> bytes:
        text = row[name]
        return prefix + (b"null" if text is None else text.encode())

    return encode


def _plain_encoder(names: list[str]) -> _Part:
    def encode(row: Row) -> bytes:
        return to_json({name: row[name] for name in names}, inf_nan_mode="strings")[1:-1]

    return encode
