"""The JSON of rows. JSON fields are copied as the text that PostgreSQL writes, so that every digit stays."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import cache, lru_cache
from itertools import groupby
from typing import Any

from pydantic_core import to_json, to_jsonable_python

from dataflow_service.records.query import Aggregate
from dataflow_service.records.query_sql import related_columns
from dataflow_service.records.repository import Row
from dataflow_service.records.service import Groups, Page
from dataflow_service.registry.model import Field, Model, Relation

type _Values = Mapping[str, Any] | Row
type _Part = Callable[[_Values], bytes]


def row_json(model: Model, row: Row, *, texts: bool = False) -> bytes:
    """Return a row as a JSON object, with the fields in the order of the model; with `texts`, 64 bit integers are strings."""
    return _object(_texts_of_model(model) if texts else _parts_of_model(model), row)


def row_encoder(fields: Sequence[Field], *, texts: bool = False) -> Callable[[Row], bytes]:
    """Return what encodes fields of a row as a JSON object."""
    parts = _parts(tuple(fields), texts=texts)
    return lambda row: _object(parts, row)


def row_values(fields: Sequence[Field], row: Row) -> dict[str, Any]:
    """Return fields of a row as the values of its JSON, with the fractions in JSON fields as Decimal."""
    plain = {field.name: row[field.name] for field in fields if field.sql_type != "jsonb"}
    values: dict[str, Any] = to_jsonable_python(plain, inf_nan_mode="strings")
    documents = {field.name: row[field.name] for field in fields if field.sql_type == "jsonb"}
    values |= {
        name: None if text is None else json.loads(text, parse_float=Decimal) for name, text in documents.items()
    }
    return {field.name: values[field.name] for field in fields}


def page_json(page: Page, *, texts: bool = False) -> bytes:
    """Return a page as a JSON object with `items` and `next`."""
    parts = _parts_of_page(page, texts=texts)
    return _page([_object(parts, row) for row in page.rows], page.next)


def expanded_json(page: Page, *, texts: bool = False) -> bytes:
    """Return the only row of a page as a JSON object."""
    return _object(_parts_of_page(page, texts=texts), page.rows[0])


def groups_json(groups: Groups, *, texts: bool = False) -> bytes:
    """Return groups as a JSON object with `items` and `next`."""
    fields, aggregates = tuple(groups.fields), groups.aggregates
    parts = _parts(fields, texts=texts) if fields else ()
    items = [
        b'{"group":%b,%b' % (_object(parts, row), _values(aggregates, row, texts=texts)[1:]) for row in groups.rows
    ]
    return _page(items, groups.next)


def _object(parts: Sequence[_Part], row: _Values) -> bytes:
    return b"{" + b",".join([part(row) for part in parts]) + b"}"


def _page(items: Sequence[bytes], following: str | None) -> bytes:
    return b'{"items":[%b],"next":%b}' % (b",".join(items), to_json(following))


def _values(aggregates: Sequence[Aggregate], row: Row, *, texts: bool) -> bytes:
    """Return the values of the aggregates by their function and field; a count is a number in any case."""
    found: dict[str, dict[str, object]] = {}
    for aggregate in aggregates:
        value = row[aggregate.name]
        if aggregate.is_integer and value is not None:
            is_text = texts and aggregate.function != "count"
            value = str(value) if is_text else int(value)  # a sum is read as text, as decimal numbers are
        found.setdefault(aggregate.function, {})[aggregate.argument] = value
    return to_json(found, inf_nan_mode="strings")


def _parts_of_page(page: Page, *, texts: bool) -> Sequence[_Part]:
    return [
        *_parts(tuple(page.fields), texts=texts),
        *(_related_encoder(relation, texts=texts) for relation in page.expand),
    ]


@cache
def _related_encoder(relation: Relation, *, texts: bool) -> _Part:
    """Return an encoder of the row that a field refers to, with the bytes of its own endpoint, or of null."""
    name, parts = to_json(relation.name) + b":", _parts(tuple(relation.target.fields), texts=texts)
    columns = related_columns(relation)

    def encode(row: _Values) -> bytes:
        if row[columns["id"]] is None:
            return name + b"null"
        return name + _object(parts, {field: row[column] for field, column in columns.items()})

    return encode


@cache
def _parts_of_model(model: Model) -> Sequence[_Part]:
    return _parts(tuple(model.fields))


@cache
def _texts_of_model(model: Model) -> Sequence[_Part]:
    return _parts(tuple(model.fields), texts=True)


@lru_cache(maxsize=1024)  # callers choose the fields
def _parts(fields: Sequence[Field], *, texts: bool = False) -> Sequence[_Part]:
    """Return an encoder for each JSON field and for each run of other fields."""
    runs = groupby(fields, key=lambda field: field.sql_type == "jsonb")
    return [part for is_json, run in runs for part in _encoders(list(run), is_json=is_json, texts=texts)]


def _encoders(fields: list[Field], *, is_json: bool, texts: bool) -> list[_Part]:
    if is_json:
        return [_json_encoder(field.name) for field in fields]
    return [_text_encoder(fields) if texts else _plain_encoder([field.name for field in fields])]


def _json_encoder(name: str) -> _Part:
    prefix = to_json(name) + b":"

    def encode(row: _Values) -> bytes:
        text = row[name]
        return prefix + (b"null" if text is None else text.encode())

    return encode


def _plain_encoder(names: list[str]) -> _Part:
    def encode(row: _Values) -> bytes:
        return to_json({name: row[name] for name in names}, inf_nan_mode="strings")[1:-1]

    return encode


def _text_encoder(fields: list[Field]) -> _Part:
    """Return what encodes 64 bit integers as strings."""
    known = [(field.name, field.sql_type in {"bigint", "bigint[]"}) for field in fields]

    def encode(row: _Values) -> bytes:
        values = {name: _text(row[name]) if is_integer else row[name] for name, is_integer in known}
        return to_json(values, inf_nan_mode="strings")[1:-1]

    return encode


def _text(value: int | list[int] | None) -> str | list[str] | None:
    if isinstance(value, list):
        return list(map(str, value))
    return None if value is None else str(value)
