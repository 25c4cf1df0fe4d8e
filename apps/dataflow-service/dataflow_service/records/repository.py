"""Rows of any model in PostgreSQL, on the connection that is passed in."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from dataflow_service.records import query_sql, sql
from dataflow_service.records.errors import NotComputableError, QueryTimeoutError
from dataflow_service.records.parsing import Values
from dataflow_service.records.query import Filter, GroupQuery, Query
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


@asynccontextmanager
async def reading(connection: asyncpg.Connection, seconds: float) -> AsyncIterator[None]:
    """Context manager of a transaction that changes nothing, whose statements may run for `seconds` each.

    Raises QueryTimeoutError for one that runs longer, NotComputableError for one that has no result.
    """
    await connection.execute(f"BEGIN READ ONLY; SET LOCAL statement_timeout = {round(seconds * 1000)}")
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        await connection.execute("ROLLBACK")
        raise QueryTimeoutError(seconds) from error
    except asyncpg.NumericValueOutOfRangeError as error:
        await connection.execute("ROLLBACK")
        raise NotComputableError from error
    await connection.execute("COMMIT")


async def read_page(
    connection: asyncpg.Connection, model: Model, query: Query, *, limit: int, max_bytes: int
) -> list[Row]:
    """Return up to `limit` rows of a query, with its fields and those of its order.

    A page with `max_bytes` or more ends there; "page rows" of a row is how long it would have been.
    """
    statement = query_sql.select_page(model, query, limit=limit, max_bytes=max_bytes)
    return await connection.fetch(statement.text, *statement.values)


async def read_groups(
    connection: asyncpg.Connection, model: Model, query: GroupQuery, *, limit: int, max_bytes: int
) -> list[Row]:
    """Return up to `limit` groups of a query, with a column for each aggregate, and limits as `read_page`."""
    statement = query_sql.select_groups(model, query, limit=limit, max_bytes=max_bytes)
    return await connection.fetch(statement.text, *statement.values)


async def count(connection: asyncpg.Connection, model: Model, wanted: Filter) -> int:
    """Return the number of rows of a filter."""
    statement = query_sql.count(model, wanted)
    number: int = await connection.fetchval(statement.text, *statement.values)
    return number


def _arguments(model: Model, values: Values) -> list[Any]:
    return [values[field.name] for field in model.written]
