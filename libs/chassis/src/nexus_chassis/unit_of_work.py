"""The way of services to PostgreSQL: one statement by `Database.read` or `write`, a transaction by `Database.unit_of_work`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType

import asyncpg

from nexus_chassis.connection_pool import ConnectionPool, is_suspect
from nexus_chassis.database_errors import DATABASE_AWAY, database_unavailable, translate_database_errors
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.principal import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitOfWork:
    """A transaction: its connection, who acts, and the tenant whose rows it concerns."""

    connection: asyncpg.Connection
    principal: Principal | None = None
    tenant: str | None = None


class Database:
    """The only holder of a service's connection pool.

    Every method raises DatabaseUnavailableError while PostgreSQL is away or the schema is not migrated yet, and
    PoolExhaustedError when all connections stay in use. A connection keeps its session from one user to the next:
    use `SET LOCAL` and `pg_advisory_xact_lock`, which end with the transaction, never `SET` or session locks.
    """

    def __init__(self, pool: ConnectionPool, *, usable: bool = True) -> None:
        self._pool = pool
        self._health: asyncpg.Connection | None = None
        self._checking = asyncio.Lock()
        self.usable = usable
        self.opened = usable

    def read(self, *, tenant: str | None = None) -> "_Reading":
        """Context manager of a connection outside a transaction, for one statement about the rows of a tenant."""
        return _Reading(self._usable_pool(), tenant)

    def write(self, *, tenant: str | None = None) -> "_Reading":
        """Context manager of a connection outside a transaction, for one statement that changes rows of a tenant.

        PostgreSQL commits it before it answers, and undoes all of it on an error: BEGIN and COMMIT would only add round trips.
        """
        return _Reading(self._usable_pool(), tenant)

    def unit_of_work(self, principal: Principal | None = None, *, tenant: str | None = None) -> "_Working":
        """Context manager of a UnitOfWork: commits at its end, rolls back on an error.

        `tenant` is the principal's when it is not given.
        """
        if tenant is None and principal is not None:
            tenant = principal.tenant
        return _Working(self._usable_pool(), principal, tenant)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection beside the pool, for what lasts longer than a request: LISTEN and session locks."""
        with translate_database_errors():
            connection = await self._usable_pool().connect()
        try:
            yield connection
        finally:
            connection.terminate()

    def _usable_pool(self) -> ConnectionPool:
        if not self.usable:
            raise DatabaseUnavailableError("The schema is not migrated yet: the service waits for PostgreSQL.")
        return self._pool

    async def check(self) -> None:
        """One round trip on a connection of its own, for a health check that a busy pool does not disturb."""
        async with self._checking:
            with translate_database_errors():
                if self._health is None or self._health.is_closed():
                    self._health = await self._pool.connect()
                await self._health.execute("SELECT 1")

    async def close(self) -> None:
        """Close all connections; those in use are closed when they are returned."""
        if self._health is not None:
            self._health.terminate()
        await self._pool.close()


class _Reading:
    """A class, because a generator's context manager costs several microseconds more."""

    __slots__ = ("_connection", "_pool", "_tenant")

    def __init__(self, pool: ConnectionPool, tenant: str | None) -> None:
        self._pool = pool
        self._tenant = tenant

    async def __aenter__(self) -> asyncpg.Connection:
        self._connection = await self._pool.acquire(self._tenant)
        return self._connection

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._pool.release(self._connection, error)
        if isinstance(error, DATABASE_AWAY):
            raise database_unavailable(error) from error


class _Working:
    __slots__ = ("_connection", "_pool", "_principal", "_tenant", "_transaction")

    def __init__(self, pool: ConnectionPool, principal: Principal | None, tenant: str | None) -> None:
        self._pool = pool
        self._principal = principal
        self._tenant = tenant

    async def __aenter__(self) -> UnitOfWork:
        self._connection = await self._pool.acquire(self._tenant)
        try:
            self._transaction = self._connection.transaction()
            await self._transaction.start()
        except BaseException as error:
            self._pool.release(self._connection, error)
            if isinstance(error, DATABASE_AWAY):
                raise database_unavailable(error) from error
            raise
        return UnitOfWork(connection=self._connection, principal=self._principal, tenant=self._tenant)

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            await self._end(error)
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._pool.release(self._connection, error)
        if isinstance(error, DATABASE_AWAY):
            raise database_unavailable(error) from error

    async def _end(self, error: BaseException | None) -> None:
        with translate_database_errors():
            if error is None:
                await self._transaction.commit()
            elif self._connection.is_in_transaction() and not is_suspect(self._connection, error):
                await self._transaction.rollback()
