"""Rows of a query in PostgreSQL, some at a time."""

from collections.abc import AsyncGenerator

import asyncpg

from dataflow_service.records import query_sql
from dataflow_service.records.query import Query
from dataflow_service.records.repository import Row, allow_mistakes
from dataflow_service.registry.model import Model

FETCHED_ROWS = 100
"""Rows in memory at once: a row has up to 64 KiB of text."""


async def fetch_all(connection: asyncpg.Connection, model: Model, query: Query) -> AsyncGenerator[list[Row]]:
    """Yield all rows of a query, `FETCHED_ROWS` at a time, at the end of which are fewer or none."""
    await allow_mistakes(connection, query.search)
    statement = query_sql.select_every(model, query)
    cursor = await connection.cursor(statement.text, *statement.values)
    while True:
        rows = await cursor.fetch(FETCHED_ROWS)
        yield rows
        if len(rows) < FETCHED_ROWS:
            return
