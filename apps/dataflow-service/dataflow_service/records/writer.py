"""Changes rows within one transaction."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import asyncpg

from dataflow_service.records import cascades, repository
from dataflow_service.records.author import Author
from dataflow_service.records.errors import (
    NoRelatedRowError,
    NoSuchRowError,
    NotStorableError,
    NotUniqueError,
    ReferencedError,
    TooManyMatchesError,
    VersionMismatchError,
)
from dataflow_service.records.parsing import MAX_ROWS, Values
from dataflow_service.records.query import Filter
from dataflow_service.records.references import require_related
from dataflow_service.records.repository import Row, Versions
from dataflow_service.records.statistics import recount
from dataflow_service.registry.model import Model, Relation
from nexus_chassis.principal import Principal

type Writing = Callable[[], AbstractAsyncContextManager["RecordWriter"]]
"""Opens the transaction in which rows are changed, or joins one that is open."""

_MAX_VALUE_LENGTH = 100
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.CardinalityViolationError)


class RecordWriter:
    """Changes rows of any model, and logs each change, in the transaction of a connection.

    Column values and ids come checked from `records.parsing`. What is changed stays only if the transaction commits; after an
    error it cannot. Of a connection without a transaction, each statement commits by itself.
    """

    def __init__(self, connection: asyncpg.Connection, principal: Principal) -> None:
        self._connection = connection
        self._author = Author.of(principal)

    @property
    def connection(self) -> asyncpg.Connection:
        """The connection, for what is written in the same transaction."""
        return self._connection

    def part(self) -> AbstractAsyncContextManager[object]:
        """Context manager of a part of the transaction: an error in it undoes the part alone."""
        return self._connection.transaction()

    async def create(self, model: Model, values: Values) -> Row:
        """Create a row and return it."""
        with _refusals(model, values):
            row = await repository.create(self._connection, self._author, model, values)
        await require_related(self._connection, model, [values])
        return row

    async def create_many(self, model: Model, rows: Sequence[Values]) -> list[Any]:
        """Create rows and return their ids in the same order."""
        if not rows:
            return []
        await recount(self._connection, model)
        with _refusals(model, {}):
            ids = await repository.create_many(self._connection, self._author, model, rows)
        await require_related(self._connection, model, rows)
        return ids

    async def upsert(self, model: Model, values: Values, *, unique: Sequence[str], changed: Values) -> tuple[Row, bool]:
        """Create a row, or set the fields `changed` of the row that has its `unique` fields; returns it and whether it is new."""
        with _refusals(model, values):
            found = await repository.upsert(
                self._connection, self._author, model, values, unique=unique, changed=changed
            )
        if found is None:
            raise _not_unique(model, unique, values)
        await require_related(self._connection, model, [values if found[1] else changed])
        return found

    async def upsert_many(
        self, model: Model, rows: Sequence[Values], *, unique: Sequence[str], names: Sequence[str]
    ) -> list[tuple[Any, bool]]:
        """Create rows, or set their fields `names` in the rows that have their `unique` fields.

        Returns the id of each and whether it is new, in the order of `rows`.
        """
        if not rows:
            return []
        changed = [name for name in names if name not in {*unique, "id"}]
        await recount(self._connection, model)
        with _refusals(model, {}):
            found = await repository.upsert_many(
                self._connection, self._author, model, rows, unique=unique, changed=changed
            )
        if len(found) < len(rows):
            raise _not_unique(model, unique, {})
        await require_related(self._connection, model, _set_by(found, rows, changed))
        return found

    async def change(self, model: Model, row_id: object, values: Values, versions: Versions = None) -> Row:
        """Set the fields of a row that `values` names, leave the others, and return the row. It must have one of the versions."""
        with _refusals(model, values):
            row = await repository.change(self._connection, self._author, model, row_id, values, versions=versions)
        if row is None:
            raise await self._absence(model, row_id, versions)
        await require_related(self._connection, model, [values])
        return row

    async def replace(
        self, model: Model, row_id: object, values: Values, versions: Versions, *, create: bool
    ) -> tuple[Row, bool]:
        """Set all fields of a row; where callers choose ids, `create` makes a missing one. Returns it and whether it is new."""
        others = {name: value for name, value in values.items() if name != "id"}
        if create and model.has_own_ids:
            return await self.upsert(model, values, unique=["id"], changed=others)
        return await self.change(model, row_id, others, versions), False

    async def change_each(self, model: Model, changes: Sequence[tuple[Any, Values]]) -> list[Any]:
        """Set fields of rows, of each its own, and return their ids in the same order."""
        by_fields: dict[tuple[str, ...], list[tuple[Any, Values]]] = {}
        for row_id, values in changes:
            by_fields.setdefault(tuple(values), []).append((row_id, values))
        await recount(self._connection, model)
        with _refusals(model, {}):
            for names, same in by_fields.items():
                found = set(await repository.change_each(self._connection, self._author, model, names, same))
                if missing := [row_id for row_id, _ in same if row_id not in found]:
                    raise NoSuchRowError(model.path, str(missing[0]))
        await require_related(self._connection, model, [values for _, values in changes])
        return [row_id for row_id, _ in changes]

    async def change_many(self, model: Model, wanted: Filter, values: Values) -> list[Any]:
        """Set the same fields of all rows of a filter, and return their ids in order."""
        await recount(self._connection, model)
        with _refusals(model, values):
            ids = await repository.change_where(
                self._connection, self._author, model, wanted, values, limit=MAX_ROWS + 1
            )
        await require_related(self._connection, model, [values])
        return _checked(ids)

    async def delete(self, model: Model, row_id: object, versions: Versions = None) -> None:
        """Delete a row, which must have one of the versions, and do with those that refer to it as their relations say."""
        async with self._deleting(model) as follow:
            if not await repository.delete(self._connection, self._author, model, row_id, versions=versions):
                raise await self._absence(model, row_id, versions)
            await follow([row_id])

    async def delete_unreferenced(self, model: Model, row_id: object, versions: Versions = None) -> bool:
        """Delete a row by one statement, if it has one of the versions and none refers to it; returns whether it is deleted."""
        try:
            return await repository.delete(
                self._connection, self._author, model, row_id, versions=versions, unreferenced=True
            )
        except _REFUSED:  # such as for a row that has come to refer to it meanwhile
            return False

    async def restore(self, model: Model, row_id: object) -> Row:
        """Restore a deleted row and return it. What went with it stays deleted."""
        with _refusals(model, {}):
            row = None
            if model.soft_delete:
                row = await repository.restore(self._connection, self._author, model, row_id)
        if row is None:
            raise NoSuchRowError(model.path, str(row_id), deleted=True)
        await require_related(self._connection, model, [dict(row)])
        return row

    async def _absence(self, model: Model, row_id: object, versions: Versions) -> NoSuchRowError | VersionMismatchError:
        """Return why there is no row with the id and one of the versions."""
        version = None if versions is None else await repository.read_version(self._connection, model, row_id)
        if version is None:
            return NoSuchRowError(model.path, str(row_id))
        return VersionMismatchError(model.path, str(row_id), version)

    async def delete_many(self, model: Model, wanted: Filter) -> list[Any]:
        """Delete all rows of a filter as `delete` does, and return their ids in order."""
        await recount(self._connection, model)
        async with self._deleting(model) as follow:
            found = await repository.delete_where(self._connection, self._author, model, wanted, limit=MAX_ROWS + 1)
            ids = _checked(found)
            await follow(ids)
        return ids

    @asynccontextmanager
    async def _deleting(self, model: Model) -> AsyncIterator[Callable[[Sequence[Any]], Awaitable[None]]]:
        """Context manager of deletions, with what is to be called with the ids of deleted rows."""
        with _deletion_refusals(model):
            async with cascades.settled(self._connection, model):
                yield partial(cascades.follow, self._connection, self._author, model)


def _set_by(found: Sequence[tuple[Any, bool]], rows: Sequence[Values], changed: Sequence[str]) -> list[Values]:
    """Return the values that an upsert of rows has set, of which others are in rows that were there."""
    return [
        row if is_new else {name: row[name] for name in changed} for (_, is_new), row in zip(found, rows, strict=True)
    ]


def _checked(ids: Sequence[Any]) -> list[Any]:
    if len(ids) > MAX_ROWS:
        raise TooManyMatchesError(MAX_ROWS)
    return sorted(ids)


@contextmanager
def _refusals(model: Model, values: Values) -> Iterator[None]:
    """Translate what the database refuses. PostgreSQL's own texts are left out: they may quote rows of others."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise _not_unique(model, _unique_fields(model, error.constraint_name), values) from error
    except asyncpg.ForeignKeyViolationError as error:
        found = next((one for one in model.relations if one.constraint == error.constraint_name), None)
        if found is None:
            raise _not_storable(error) from error
        raise NoRelatedRowError(model.path, found.field.name, found.target.path) from error
    except _REFUSED as error:
        raise _not_storable(error) from error


@contextmanager
def _deletion_refusals(model: Model) -> Iterator[None]:
    """Translate what the database refuses when rows are deleted: then its foreign keys are those that lead to them."""
    try:
        yield
    except asyncpg.ForeignKeyViolationError as error:
        for relation in cascades.leading_to(model):
            if (relation.model.table, relation.constraint) == (error.table_name, error.constraint_name):
                raise _referenced(model, relation) from error
        raise _not_storable(error) from error
    except _REFUSED as error:
        raise _not_storable(error) from error


def _not_storable(error: asyncpg.PostgresError) -> NotStorableError:
    cause = f"the constraint {error.constraint_name}" if error.constraint_name else type(error).__name__
    return NotStorableError(f"The database refuses the row because of {cause}. Send another value.")


def _referenced(model: Model, relation: Relation) -> ReferencedError:
    soft_delete = relation.model.soft_delete
    return ReferencedError(model.path, relation.model.path, relation.field.name, restorable=soft_delete)


def _unique_fields(model: Model, constraint: str | None) -> Sequence[str]:
    ids = ["id"] if model.has_own_ids and constraint and constraint.endswith("_pkey") else []
    return next((index["fields"] for index in model.indexes if index["name"] == constraint), ids)


def _not_unique(model: Model, fields: Sequence[str], values: Values) -> NotUniqueError:
    own = ", ".join(str(values[name])[:_MAX_VALUE_LENGTH] for name in fields if name in values)
    return NotUniqueError(model.path, fields, own or None, restorable=model.soft_delete and list(fields) == ["id"])
