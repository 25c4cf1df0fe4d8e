"""Rows of any model in PostgreSQL, on the connection that is passed in. What is written is logged with its author."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import asyncpg

from dataflow_service.records import query_sql, sql
from dataflow_service.records.author import Author
from dataflow_service.records.conditions import Parameters, condition
from dataflow_service.records.errors import NotComputableError, QueryTimeoutError
from dataflow_service.records.parsing import Values
from dataflow_service.records.query import Filter, GroupQuery, Query, SearchText
from dataflow_service.registry.model import Field, Model, Relation
from dataflow_service.registry.quoting import array_text, quote

type Versions = Sequence[int] | None
"""The versions of which a row must have one to be changed; None where it may have any."""

type Row = asyncpg.Record
"""A row with the columns of its model, and where one row was read or written with its version. JSON fields and decimal numbers are text, as PostgreSQL writes them."""


async def keeps_tenants_apart(connection: asyncpg.Connection, model: Model) -> bool:
    """Whether policies hold for the table of a model and this role; True where there is no table."""
    return bool(await connection.fetchval(_KEEPS_APART, quote(model.table)))


_KEEPS_APART = "SELECT to_regclass($1) IS NULL OR row_security_active(to_regclass($1))"


async def create(connection: asyncpg.Connection, author: Author, model: Model, values: Values) -> Row:
    """Insert one row and return it with what the database added."""
    (row,) = await connection.fetch(sql.insert(model), *_arguments(model, values), *author.parameters)
    return row


async def create_many(
    connection: asyncpg.Connection, author: Author, model: Model, rows: Sequence[Values]
) -> list[Any]:
    """Insert rows, all or none, and return their ids in the same order."""
    arrays = _arrays(model.inserted, rows)
    return [row["id"] for row in await connection.fetch(sql.insert_many(model), *arrays, *author.parameters)]


async def upsert(
    connection: asyncpg.Connection,
    author: Author,
    model: Model,
    values: Values,
    *,
    unique: Sequence[str],
    changed: Values,
) -> tuple[Row, bool] | None:
    """Insert one row, or set the fields `changed` of the one with the same `unique` fields; returns it and whether it is new.

    None where that one is deleted: an id alone stays taken.
    """
    statement = sql.upsert(model, tuple(unique), tuple(changed))
    arguments = [*_arguments(model, values), *changed.values(), *author.parameters]
    rows = await connection.fetch(statement, *arguments)
    return (rows[0], rows[0]["was created"]) if rows else None


async def upsert_many(
    connection: asyncpg.Connection,
    author: Author,
    model: Model,
    rows: Sequence[Values],
    *,
    unique: Sequence[str],
    changed: Sequence[str],
) -> list[tuple[Any, bool]]:
    """Insert rows, or set the fields `changed` of those with the same `unique` fields; returns ids and whether they are new.

    Those that are deleted are left out, as of `upsert`.
    """
    statement = sql.upsert_many(model, tuple(unique), tuple(changed))
    found = await connection.fetch(statement, *_arrays(model.inserted, rows), *author.parameters)
    return [(row["id"], row["was created"]) for row in found]


async def change_each(
    connection: asyncpg.Connection,
    author: Author,
    model: Model,
    names: Sequence[str],
    changes: Sequence[tuple[Any, Values]],
) -> list[Any]:
    """Set the fields `names` of the rows with the ids, and return the ids that are there."""
    ids = [row_id for row_id, _ in changes]
    by_name = {field.name: field for field in model.written}
    arrays = _arrays([by_name[name] for name in names], [values for _, values in changes])
    statement = sql.update_each(model, tuple(names))
    return [row["id"] for row in await connection.fetch(statement, ids, *arrays, *author.parameters)]


async def change_where(
    connection: asyncpg.Connection, author: Author, model: Model, wanted: Filter, values: Values, *, limit: int
) -> list[Any]:
    """Set fields of at most `limit` rows of a filter, and return their ids."""
    parameters = Parameters()
    where = condition(wanted, parameters)
    statement = sql.update_where(model, list(values), where, limit, first=len(parameters.values) + 1)
    arguments = [*parameters.values, *values.values(), *author.parameters]
    return [row["id"] for row in await connection.fetch(statement, *arguments)]


async def delete_where(
    connection: asyncpg.Connection, author: Author, model: Model, wanted: Filter, *, limit: int
) -> list[Any]:
    """Delete at most `limit` rows of a filter, and return their ids."""
    parameters = Parameters()
    where = condition(wanted, parameters)
    statement = sql.delete_where(model, where, limit, author=len(parameters.values) + 1)
    return [row["id"] for row in await connection.fetch(statement, *parameters.values, *author.parameters)]


async def read(connection: asyncpg.Connection, model: Model, row_id: object) -> Row | None:
    """Return one row, or None."""
    return await connection.fetchrow(sql.select_one(model), row_id)


async def read_version(connection: asyncpg.Connection, model: Model, row_id: object) -> int | None:
    """Return the version of one row, or None."""
    version: int | None = await connection.fetchval(sql.select_version(model), row_id)
    return version


async def change(
    connection: asyncpg.Connection, author: Author, model: Model, row_id: object, values: Values, *, versions: Versions
) -> Row | None:
    """Set the given fields of one row that has one of the versions, and return all of it, or None without such a row."""
    statement = sql.update(model, tuple(values), checked=versions is not None)
    return await connection.fetchrow(statement, row_id, *values.values(), *_checked(versions), *author.parameters)


async def delete(
    connection: asyncpg.Connection,
    author: Author,
    model: Model,
    row_id: object,
    *,
    versions: Versions,
    unreferenced: bool = False,
) -> bool:
    """Delete one row that has one of the versions, with `unreferenced` only if none refers to it; returns whether it is deleted."""
    statement = sql.delete(model, checked=versions is not None, unreferenced=unreferenced)
    return await connection.fetchval(statement, row_id, *_checked(versions), *author.parameters) is not None


async def restore(connection: asyncpg.Connection, author: Author, model: Model, row_id: object) -> Row | None:
    """Restore a deleted row of a model with soft delete and return it, or None without such a row."""
    return await connection.fetchrow(sql.restore(model), row_id, *author.parameters)


async def lock_present(connection: asyncpg.Connection, model: Model, ids: Sequence[Any]) -> list[Any]:
    """Return those of the ids whose rows are not deleted, and keep these from being deleted until the transaction ends."""
    return [row["id"] for row in await connection.fetch(sql.lock_present(model), ids)]


async def refers(connection: asyncpg.Connection, relation: Relation, ids: Sequence[Any]) -> bool:
    """Whether a row that is not deleted refers to one of the ids."""
    return bool(await connection.fetchval(sql.refers(relation), ids))


async def empty_deleted(connection: asyncpg.Connection, relation: Relation, ids: Sequence[Any]) -> None:
    """Let deleted rows refer to none of the ids any longer."""
    await connection.execute(sql.empty_deleted(relation), ids)


@asynccontextmanager
async def reading(
    connection: asyncpg.Connection,
    seconds: float,
    isolation: Literal["READ COMMITTED", "REPEATABLE READ"] = "READ COMMITTED",
) -> AsyncIterator[None]:
    """Context manager of a transaction that changes nothing, whose statements may run for `seconds` each.

    Raises QueryTimeoutError for one that runs longer, NotComputableError for one that has no result.
    """
    begin = f"BEGIN ISOLATION LEVEL {isolation} READ ONLY"
    await connection.execute(f"{begin}; SET LOCAL statement_timeout = {round(seconds * 1000)}")
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        await connection.execute("ROLLBACK")
        raise QueryTimeoutError(seconds) from error
    except asyncpg.NumericValueOutOfRangeError as error:
        await connection.execute("ROLLBACK")
        raise NotComputableError from error
    await connection.execute("COMMIT")


async def allow_mistakes(connection: asyncpg.Connection, sought: SearchText | None) -> None:
    """Set how similar words are that a search takes for the same, until the transaction ends.

    By PostgreSQL's own limit, 0.6, `hexgon` would not be similar to `hexagon`.
    """
    if sought is not None:
        await connection.execute("SET LOCAL pg_trgm.word_similarity_threshold = 0.4")


async def read_page(
    connection: asyncpg.Connection, model: Model, query: Query, *, limit: int, max_bytes: int
) -> list[Row]:
    """Return up to `limit` rows of a query, with its fields and those of its order.

    A page with `max_bytes` or more ends there; "page rows" of a row is how long it would have been.
    """
    await allow_mistakes(connection, query.search)
    statement = query_sql.select_page(model, query, limit=limit, max_bytes=max_bytes)
    return await connection.fetch(statement.text, *statement.values)


async def read_groups(
    connection: asyncpg.Connection, model: Model, query: GroupQuery, *, limit: int, max_bytes: int
) -> list[Row]:
    """Return up to `limit` groups of a query, with a column for each aggregate, and limits as `read_page`."""
    await allow_mistakes(connection, query.search)
    statement = query_sql.select_groups(model, query, limit=limit, max_bytes=max_bytes)
    return await connection.fetch(statement.text, *statement.values)


async def count(connection: asyncpg.Connection, model: Model, wanted: Filter, sought: SearchText | None) -> int:
    """Return the number of rows of a filter and a search."""
    await allow_mistakes(connection, sought)
    statement = query_sql.count(model, wanted, sought)
    number: int = await connection.fetchval(statement.text, *statement.values)
    return number


def _checked(versions: Versions) -> list[Sequence[int]]:
    return [] if versions is None else [versions]


def _arguments(model: Model, values: Values) -> list[Any]:
    return [values[field.name] for field in model.inserted]


def _arrays(fields: Sequence[Field], rows: Sequence[Values]) -> list[list[Any]]:
    """Return for each field an array of its values, with lists as texts."""
    columns = [(field, [row[field.name] for row in rows]) for field in fields]
    return [list(map(_list_text, values)) if field.is_list else values for field, values in columns]


def _list_text(values: Sequence[object] | None) -> str | None:
    return None if values is None else array_text(values)
