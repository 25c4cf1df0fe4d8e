"""Reads and changes rows, and publishes each committed change."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg

from dataflow_service.records import repository
from dataflow_service.records.errors import NoSuchRowError, NotStorableError, NotUniqueError
from dataflow_service.records.parsing import Values
from dataflow_service.records.repository import Row
from dataflow_service.registry.model import Model
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database

MAX_PAGE_BYTES = 1024 * 1024
"""A page with as many bytes of rows ends there; it may exceed them by one row."""

_MAX_VALUE_LENGTH = 100
_REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class PublishChanges(Protocol):
    """Announces committed changes to the rows `ids` of the model at `path`, to the tenant of who made them."""

    async def __call__(
        self, tenant: str | None, path: str, operation: str, ids: Sequence[Any], changed: Sequence[str]
    ) -> None:
        """Publish them; never fails because of who listens."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the order of their ids; `next` is the `after` of the following page, None at the end."""

    rows: Sequence[Row]
    next: str | None


class RecordService:
    """Rows of any model. Column values and ids come checked from `records.parsing`."""

    def __init__(self, database: Database, publish: PublishChanges) -> None:
        self._database = database
        self._publish = publish

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

    async def read_page(self, model: Model, *, after: object, limit: int, descending: bool) -> Page:
        """Return up to `limit` rows beyond the id `after`; fewer when they have `MAX_PAGE_BYTES`."""
        async with self._database.read() as connection:
            rows = await repository.read_page(
                connection, model, after=after, limit=limit + 1, max_bytes=MAX_PAGE_BYTES, descending=descending
            )
        page = rows[:limit]
        more = bool(page) and page[-1]["page_rows"] > len(page)
        return Page(page, str(page[-1]["id"]) if more else None)

    async def count(self, model: Model) -> int:
        """Return the number of rows of a model."""
        async with self._database.read() as connection:
            return await repository.count(connection, model)


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
