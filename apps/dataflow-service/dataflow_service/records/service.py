"""Reads rows, and opens the transactions in which they are changed."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

import asyncpg

from dataflow_service.records import cursor, repository
from dataflow_service.records.author import tenant_of
from dataflow_service.records.errors import NoSuchRowError, TenantsMixedError
from dataflow_service.records.query import (
    EVERY_ROW,
    Aggregate,
    Filter,
    GroupQuery,
    OrderKey,
    Query,
    SearchText,
    is_by_id,
)
from dataflow_service.records.repository import Row, Versions
from dataflow_service.records.writer import RecordWriter
from dataflow_service.registry.model import Field, Model, Relation
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database, UnitOfWork

MAX_PAGE_BYTES = 1024 * 1024
"""A page with as many bytes of rows ends there; it may exceed them by one row."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows with `fields`, in the order asked for; `next` is the `after` of the following page, None at the end.

    Each comes with the rows that it refers to by the relations of `expand`.
    """

    fields: Sequence[Field]
    rows: Sequence[Row]
    next: str | None
    expand: Sequence[Relation] = ()


@dataclass(frozen=True, slots=True)
class Groups:
    """Groups of rows that have the same values of `fields`, with a value of each aggregate; `next` as of a page."""

    fields: Sequence[Field]
    aggregates: Sequence[Aggregate]
    rows: Sequence[Row]
    next: str | None


class RecordService:
    """Rows of any model. Ids come checked from `records.parsing`, queries from `records.query_parsing`.

    A statement that reads many rows may run for `read_seconds`. `announce` is called after each commit of changes.
    """

    def __init__(self, database: Database, announce: Callable[[], None], *, read_seconds: float) -> None:
        self._database = database
        self._announce = announce
        self._read_seconds = read_seconds
        self._apart: set[Model] = set()

    async def admit(self, model: Model) -> None:
        """Raise TenantsMixedError for a multi-tenant model whose table does not keep tenants apart."""
        if not model.multi_tenant or model in self._apart:
            return
        async with self._database.read() as connection:
            if not await repository.keeps_tenants_apart(connection, model):
                raise TenantsMixedError(model.name)
        self._apart.add(model)

    def writing(self, principal: Principal) -> "_Writing":
        """Context manager of a RecordWriter: what it changes is committed at the end, or all undone on an error."""
        working = self._database.unit_of_work(principal, tenant=tenant_of(principal))
        return _Writing(working, principal, self._announce)

    def writing_one(self, principal: Principal, model: Model) -> "_Writing":
        """Context manager of a RecordWriter that creates or changes one row of a model, and is asked for nothing else.

        The row and its log are one statement, which commits by itself. Of a row that refers to others these may have to be
        looked at too, so that it has a transaction.
        """
        return self.writing(principal) if model.relations else self._writing_by_statement(principal)

    async def delete(self, principal: Principal, model: Model, row_id: object, versions: Versions) -> None:
        """Delete a row, which must have one of the versions, and do with those that refer to it as their relations say.

        Where none does, which is most often so, one statement is all that it takes. A row that is only marked has a transaction:
        no foreign key refuses those that come to refer to it meanwhile.
        """
        if not model.soft_delete:
            async with self._writing_by_statement(principal) as rows:
                if await rows.delete_unreferenced(model, row_id, versions):
                    return
        async with self.writing(principal) as rows:
            await rows.delete(model, row_id, versions)

    def _writing_by_statement(self, principal: Principal) -> "_Writing":
        return _Writing(self._database.write(tenant=tenant_of(principal)), principal, self._announce)

    async def read(self, principal: Principal, model: Model, row_id: object) -> Row:
        """Return a row."""
        async with self._database.read(tenant=tenant_of(principal)) as connection:
            row = await repository.read(connection, model, row_id)
        return _present(model, row_id, row)

    async def read_page(self, principal: Principal, model: Model, query: Query) -> Page:
        """Return the rows of a query; fewer than its limit when they have `MAX_PAGE_BYTES`."""
        async with self._reading(principal) as connection:
            rows = await repository.read_page(connection, model, query, limit=query.limit + 1, max_bytes=MAX_PAGE_BYTES)
        page = rows[: query.limit]
        return Page(query.fields, page, _next(query.order, page), query.expand)

    async def read_expanded(self, principal: Principal, model: Model, row_id: object, query: Query) -> Page:
        """Return the page with one row, the one with the id."""
        page = await self.read_page(principal, model, query)
        if not page.rows:
            raise NoSuchRowError(model.path, str(row_id))
        return page

    async def read_groups(self, principal: Principal, model: Model, query: GroupQuery) -> Groups:
        """Return the groups of a query; fewer than its limit when they have `MAX_PAGE_BYTES`."""
        async with self._reading(principal) as connection:
            rows = await repository.read_groups(
                connection, model, query, limit=query.limit + 1, max_bytes=MAX_PAGE_BYTES
            )
        page = rows[: query.limit]
        return Groups([key.field for key in query.order], query.aggregates, page, _next(query.order, page))

    async def count(
        self, principal: Principal, model: Model, wanted: Filter = EVERY_ROW, sought: SearchText | None = None
    ) -> int:
        """Return the number of rows of a filter and a search."""
        async with self._reading(principal) as connection:
            return await repository.count(connection, model, wanted, sought)

    @asynccontextmanager
    async def _reading(self, principal: Principal) -> AsyncIterator[asyncpg.Connection]:
        async with (
            self._database.read(tenant=tenant_of(principal)) as connection,
            repository.reading(connection, self._read_seconds),
        ):
            yield connection


def _next(order: Sequence[OrderKey], page: Sequence[Row]) -> str | None:
    """Return the place behind the last row of a page, None where no more rows are."""
    if not page or page[-1]["page rows"] <= len(page):
        return None
    return str(page[-1]["id"]) if is_by_id(order) else cursor.encode(order, dict(page[-1]))


def _present(model: Model, row_id: object, row: Row | None) -> Row:
    if row is None:
        raise NoSuchRowError(model.path, str(row_id))
    return row


class _Writing:
    """A class, because a generator's context manager costs several microseconds more."""

    __slots__ = ("_announce", "_opening", "_principal")

    def __init__(
        self,
        opening: AbstractAsyncContextManager[UnitOfWork | asyncpg.Connection],
        principal: Principal,
        announce: Callable[[], None],
    ) -> None:
        self._opening = opening
        self._principal = principal
        self._announce = announce

    async def __aenter__(self) -> RecordWriter:
        opened = await self._opening.__aenter__()
        connection = opened.connection if isinstance(opened, UnitOfWork) else opened
        return RecordWriter(connection, self._principal)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opening.__aexit__(kind, error, trace)
        if error is None:
            self._announce()
