"""The SQL of rows. Names in it come from the model registry only; values are always parameters."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from dataflow_service.catalogue.schemas import Field, Model
from dataflow_service.rows.schemas import Values

_ACQUIRE_SECONDS = 5.0

type Row = dict[str, Any]


class RowRepository:
    """Rows of any model in PostgreSQL. Each method is one transaction."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(self, model: Model, values: Values) -> Row:
        """Insert one row and give it with what the database added."""
        fields = model.written
        statement = (
            f"INSERT INTO {_quote(model.table)} ({_columns(fields)}) VALUES ({_parameters(fields)}) "  # noqa: S608
            f"RETURNING {_columns(model.fields)}"
        )
        async with self._connection() as connection:
            return _row(model, (await connection.fetch(statement, *_encode(fields, values)))[0])

    async def create_many(self, model: Model, rows: Sequence[Values]) -> list[Any]:
        """Insert rows, all or none, and give their ids in the same order."""
        fields = model.written
        arrays = ", ".join(f"${place}::{field.sql_type}[]" for place, field in enumerate(fields, 1))
        statement = (
            f"INSERT INTO {_quote(model.table)} ({_columns(fields)}) SELECT {_columns(fields)} "  # noqa: S608
            f"FROM unnest({arrays}) WITH ORDINALITY AS sent ({_columns(fields)}, sent_place) ORDER BY sent_place "
            f'RETURNING "id"'
        )
        columns = zip(*(_encode(fields, row) for row in rows), strict=True)
        async with self._connection() as connection:
            return [row["id"] for row in await connection.fetch(statement, *map(list, columns))]

    async def read(self, model: Model, row_id: object) -> Row | None:
        """Give one row, or None."""
        statement = f'SELECT {_columns(model.fields)} FROM {_quote(model.table)} WHERE "id" = $1'  # noqa: S608
        async with self._connection() as connection:
            return _row_or_none(model, await connection.fetchrow(statement, row_id))

    async def change(self, model: Model, row_id: object, values: Values) -> Row | None:
        """Set the given fields of one row and give all of it, or None when there is no such row."""
        fields = [field for field in model.written if field.name in values]
        settings = ", ".join(f"{_quote(field.name)} = ${place}" for place, field in enumerate(fields, 2))
        statement = (
            f'UPDATE {_quote(model.table)} SET {settings}, "updated_at" = now() WHERE "id" = $1 '  # noqa: S608
            f"RETURNING {_columns(model.fields)}"
        )
        async with self._connection() as connection:
            return _row_or_none(model, await connection.fetchrow(statement, row_id, *_encode(fields, values)))

    async def delete(self, model: Model, row_id: object) -> bool:
        """Delete one row and tell whether it was there."""
        statement = f'DELETE FROM {_quote(model.table)} WHERE "id" = $1 RETURNING "id"'  # noqa: S608
        async with self._connection() as connection:
            return await connection.fetchrow(statement, row_id) is not None

    async def list(self, model: Model, *, after: object, limit: int, descending: bool) -> list[Row]:
        """Give up to `limit` rows in the order of their ids, those that come after the id `after`, None for the start."""
        beyond, direction = ("<", "DESC") if descending else (">", "ASC")
        condition = "" if after is None else f'WHERE "id" {beyond} $2'
        statement = (
            f"SELECT {_columns(model.fields)} FROM {_quote(model.table)} {condition} "  # noqa: S608
            f'ORDER BY "id" {direction} LIMIT $1'
        )
        async with self._connection() as connection:
            found = await connection.fetch(statement, limit, *([] if after is None else [after]))
            return [_row(model, record) for record in found]

    async def count(self, model: Model) -> int:
        """Count all rows of a model."""
        async with self._connection() as connection:
            number: int = await connection.fetchval(f"SELECT count(*) FROM {_quote(model.table)}")  # noqa: S608
            return number

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy"]:
        async with self._pool.acquire(timeout=_ACQUIRE_SECONDS) as connection:
            yield connection


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _columns(fields: Sequence[Field]) -> str:
    return ", ".join(_quote(field.name) for field in fields)


def _parameters(fields: Sequence[Field]) -> str:
    return ", ".join(f"${place}" for place in range(1, len(fields) + 1))


def _encode(fields: Sequence[Field], values: Values) -> list[Any]:
    return [_encode_value(field, values[field.name]) for field in fields]


def _encode_value(field: Field, value: object) -> object:
    if field.sql_type == "jsonb" and value is not None:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    return value


def _row_or_none(model: Model, record: asyncpg.Record | None) -> Row | None:
    return None if record is None else _row(model, record)


def _row(model: Model, record: asyncpg.Record) -> Row:
    row = dict(record)
    for name in model.json_fields:
        if row[name] is not None:
            row[name] = json.loads(row[name])
    return row
