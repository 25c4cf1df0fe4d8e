"""Reads and changes rows, and publishes each committed change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg

from dataflow_service.records import cursor, repository
from dataflow_service.records.errors import NoSuchRowError, NotStorableError, NotUniqueError, TooManyMatchesError
from dataflow_service.records.parsing import MAX_ROWS, Values
from dataflow_service.records.query import EVERY_ROW, Aggregate, Filter, GroupQuery, OrderKey, Query, is_by_id
from dataflow_service.records.repository import Row
from dataflow_service.registry.model import Field, Model
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database

MAX_PAGE_BYTES = 1024 * 1024
"""A page with as many bytes of rows ends there; it may exceed them by one row."""

_MAX_VALUE_LENGTH = 100
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.CardinalityViolationError)


class PublishChanges(Protocol):
    """Announces committed changes to the rows `ids` of the model at `path`, to the tenant of who made them."""

    async def __call__(
        self, tenant: str | None, path: str, operation: str, ids: Sequence[Any], changed: Sequence[str]
    ) -> None:
        """Publish them; never fails because of who listens."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows with `fields`, in the order asked for; `next` is the `after` of the following page, None at the end."""

    fields: Sequence[Field]
    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of rows that have the same values of `fields`, with a value of each aggregate; `next` as of a page."""

    fields: Sequence[Field]
    aggregates: Sequence[Aggregate]
    rows: Sequence[Row]
    next: str | None


class RecordService:
    """Rows of any model. Column values and ids come checked from `records.parsing`, queries from `records.query_parsing`.

    A statement that reads many rows may run for `read_seconds`.
    """

    def __init__(self, database: Database, publish: PublishChanges, *, read_seconds: float) -> None:
        self._database = database
        self._publish = publish
        self._read_seconds = read_seconds

    async def create(self, principal: Principal, model: Model, values: Values) -> Row:
        """Create a row and return it."""
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, values):
                row = await repository.create(work.connection, model, values)
        await self._publish(principal.tenant, model.path, "create", [row["id"]], list(values))
        return row

    async def create_many(self, principal: Principal, model: Model, rows: Sequence[Values]) -> list[Any]:
        """Create rows, all or none, and return their ids in the same order."""
        if not rows:
            return []
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, {}):
                ids = await repository.create_many(work.connection, model, rows)
        await self._publish(principal.tenant, model.path, "create", ids, list(rows[0]))
        return ids

    async def upsert(
        self, principal: Principal, model: Model, values: Values, *, unique: Sequence[str], changed: Values
    ) -> tuple[Row, bool]:
        """Create a row, or set the fields `changed` of the row that has its `unique` fields; returns it and whether it is new."""
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, values):
                row, is_new = await repository.upsert(work.connection, model, values, unique, changed)
        if is_new:
            await self._publish(principal.tenant, model.path, "create", [row["id"]], list(values))
        elif changed:
            await self._publish(principal.tenant, model.path, "update", [row["id"]], list(changed))
        return row, is_new

    async def upsert_many(
        self, principal: Principal, model: Model, rows: Sequence[Values], *, unique: Sequence[str], names: Sequence[str]
    ) -> list[tuple[Any, bool]]:
        """Create rows, or set their fields `names` in the rows that have their `unique` fields, all or none.

        Returns the id of each and whether it is new, in the order of `rows`.
        """
        if not rows:
            return []
        changed = [name for name in names if name not in unique]
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, {}):
                found = await repository.upsert_many(work.connection, model, rows, unique, changed)
        new, known = [row_id for row_id, is_new in found if is_new], [row_id for row_id, is_new in found if not is_new]
        if new:
            await self._publish(principal.tenant, model.path, "create", new, list(rows[0]))
        if known and changed:
            await self._publish(principal.tenant, model.path, "update", known, changed)
        return found

    async def change_each(self, principal: Principal, model: Model, changes: Sequence[tuple[Any, Values]]) -> list[Any]:
        """Set fields of rows, of each its own, all or none, and return their ids in the same order."""
        by_fields: dict[tuple[str, ...], list[tuple[Any, Values]]] = {}
        for row_id, values in changes:
            by_fields.setdefault(tuple(values), []).append((row_id, values))
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, {}):
                for names, same in by_fields.items():
                    found = set(await repository.change_each(work.connection, model, names, same))
                    if missing := [row_id for row_id, _ in same if row_id not in found]:
                        raise NoSuchRowError(model.path, str(missing[0]))
        for names, same in by_fields.items():
            await self._publish(principal.tenant, model.path, "update", [row_id for row_id, _ in same], names)
        return [row_id for row_id, _ in changes]

    async def change_many(self, principal: Principal, model: Model, wanted: Filter, values: Values) -> list[Any]:
        """Set the same fields of all rows of a filter, all or none, and return their ids in order."""
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, values):
                ids = await repository.change_where(work.connection, model, wanted, values, MAX_ROWS + 1)
            _check_number(ids)
        if ids:
            await self._publish(principal.tenant, model.path, "update", sorted(ids), list(values))
        return sorted(ids)

    async def delete_many(self, principal: Principal, model: Model, wanted: Filter) -> list[Any]:
        """Delete all rows of a filter, all or none, and return their ids in order."""
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, {}):
                ids = await repository.delete_where(work.connection, model, wanted, MAX_ROWS + 1)
            _check_number(ids)
        if ids:
            await self._publish(principal.tenant, model.path, "delete", sorted(ids), [])
        return sorted(ids)

    async def read(self, model: Model, row_id: object) -> Row:
        """Return a row."""
        async with self._database.read() as connection:
            row = await repository.read(connection, model, row_id)
        return _present(model, row_id, row)

    async def change(self, principal: Principal, model: Model, row_id: object, values: Values) -> Row:
        """Set the fields of a row that `values` names, leave the others, and return the row."""
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, values):
                row = await repository.change(work.connection, model, row_id, values)
        found = _present(model, row_id, row)
        await self._publish(principal.tenant, model.path, "update", [row_id], list(values))
        return found

    async def delete(self, principal: Principal, model: Model, row_id: object) -> None:
        """Delete a row."""
        async with self._database.unit_of_work(principal) as work:
            with _refusals(model, {}):
                deleted = await repository.delete(work.connection, model, row_id)
        if not deleted:
            raise NoSuchRowError(model.path, str(row_id))
        await self._publish(principal.tenant, model.path, "delete", [row_id], [])

    async def read_page(self, model: Model, query: Query) -> Page:
        """Return the rows of a query; fewer than its limit when they have `MAX_PAGE_BYTES`."""
        async with self._database.read() as connection, repository.reading(connection, self._read_seconds):
            rows = await repository.read_page(connection, model, query, limit=query.limit + 1, max_bytes=MAX_PAGE_BYTES)
        page = rows[: query.limit]
        return Page(query.fields, page, _next(query.order, page))

    async def read_groups(self, model: Model, query: GroupQuery) -> Groups:
        """Return the groups of a query; fewer than its limit when they have `MAX_PAGE_BYTES`."""
        async with self._database.read() as connection, repository.reading(connection, self._read_seconds):
            rows = await repository.read_groups(
                connection, model, query, limit=query.limit + 1, max_bytes=MAX_PAGE_BYTES
            )
        page = rows[: query.limit]
        return Groups([key.field for key in query.order], query.aggregates, page, _next(query.order, page))

    async def count(self, model: Model, wanted: Filter = EVERY_ROW) -> int:
        """Return the number of rows of a filter."""
        async with self._database.read() as connection, repository.reading(connection, self._read_seconds):
            return await repository.count(connection, model, wanted)


def _next(order: Sequence[OrderKey], page: Sequence[Row]) -> str | None:
    """Return the place behind the last row of a page, None where no more rows are."""
    if not page or page[-1]["page rows"] <= len(page):
        return None
    return str(page[-1]["id"]) if is_by_id(order) else cursor.encode(order, dict(page[-1]))


def _check_number(ids: Sequence[Any]) -> None:
    if len(ids) > MAX_ROWS:
        raise TooManyMatchesError(MAX_ROWS)


def _present(model: Model, row_id: object, row: Row | None) -> Row:
    if row is None:
        raise NoSuchRowError(model.path, str(row_id))
    return row


@contextmanager
def _refusals(model: Model, values: Values) -> Iterator[None]:
    """Translate what the database refuses. PostgreSQL's own texts are left out: they may quote rows of others."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise _not_unique(model, error.constraint_name, values) from error
    except _REFUSED as error:
        cause = f"the constraint {error.constraint_name}" if error.constraint_name else type(error).__name__
        raise NotStorableError(f"The database refuses the row because of {cause}. Send another value.") from error


def _not_unique(model: Model, constraint: str | None, values: Values) -> NotUniqueError:
    fields: list[str] = next((index["fields"] for index in model.indexes if index["name"] == constraint), [])
    own = ", ".join(str(values[name])[:_MAX_VALUE_LENGTH] for name in fields if name in values)
    return NotUniqueError(model.path, fields, own or None)
