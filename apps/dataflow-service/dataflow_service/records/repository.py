"""Rows of any model in PostgreSQL, on the connection that is passed in."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from dataflow_service.records import sql
from dataflow_service.records.parsing import Values
from dataflow_service.registry.model import Model

type Row = asyncpg.Record
"""A row with the columns of its model. JSON fields and decimal numbers are text, as PostgreSQL writes them."""


async def create(connection: asyncpg.Connection, model: Model, values: Values) -> Row:
    """Insert one row and return it with what the database added."""
    (row,) = await connection.fetch(sql.insert(model), *_arguments(model, values))
    return row


async def create_many(connection: asyncpg.Connection, model: Model, rows: Sequence[Values]) -> list[Any]:
    """Insert rows, all or none, and return their ids in the same order."""
    columns = zip(*(_arguments(model, row) for row in rows), strict=True)
    return [row["id"] for row in await connection.fetch(sql.insert_many(model), *map(list, columns))]


async def read(connection: asyncpg.Connection, model: Model, row_id: object) -> Row | None:
    """Return one row, or None."""
    return await connection.fetchrow(sql.select_one(model), row_id)


async def change(connection: asyncpg.Connection, model: Model, row_id: object, values: Values) -> Row | None:
    """Set the given fields of one row and return all of it, or None when there is no such row."""
    return await connection.fetchrow(sql.update(model, tuple(values)), row_id, *values.values())


async def delete(connection: asyncpg.Connection, model: Model, row_id: object) -> bool:
    """Delete one row; returns whether it was there."""
    return await connection.fetchval(sql.delete(model), row_id) is not None


async def read_page(
    connection: asyncpg.Connection, model: Model, *, after: object, limit: int, max_bytes: int, descending: bool
) -> list[Row]:
    """Return up to `limit` rows in the order of their ids: those beyond the id `after`, or the first for None.

    A page with `max_bytes` or more ends there; `page_rows` of a row is how long it would have been.
    """
    statement = sql.select_page(model, continued=after is not None, descending=descending)
    return await connection.fetch(statement, limit, max_bytes, *([] if after is None else [after]))


async def count(connection: asyncpg.Connection, model: Model) -> int:
    """Return the number of rows of a model."""
    number: int = await connection.fetchval(sql.count(model))
    return number


def _arguments(model: Model, values: Values) -> list[Any]:
    return [values[field.name] for field in model.written]
