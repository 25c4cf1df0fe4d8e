"""Connections to PostgreSQL that are opened when needed and used again.

asyncpg's own pool resets each connection with a round trip, returns it in a task of its own and has no error for
"all in use"; a row read by its primary key costs twice as much CPU with it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from weakref import WeakKeyDictionary

import asyncpg

from nexus_chassis.database_errors import translate_database_errors
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.pool_turn import PoolTurns

ACQUIRE_SECONDS = 5.0
"""How long to wait for a connection that another request uses."""

IDLE_SECONDS = 300.0
"""How long a connection is kept that nobody needs."""

_CLOSE_SECONDS = 2.0


class ConnectionPool:
    """At most `size` connections made by `connect`, which waits no longer than a few seconds.

    With `row_security` each connection in use has its tenant in the setting `app.tenant`, which policies read, or the empty
    text. It keeps the tenant for its next user: a round trip is needed only where that one has another.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int, *, row_security: bool = False
    ) -> None:
        self.connect = connect
        self._row_security = row_security
        self._tenants: WeakKeyDictionary[asyncpg.Connection, str] = WeakKeyDictionary()
        self._turns = PoolTurns("PostgreSQL", size)
        self._idle: deque[tuple[asyncpg.Connection, float]] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def acquire(self, tenant: str | None = None) -> asyncpg.Connection:
        """A connection for the caller alone, until `release`.

        Raises DatabaseUnavailableError or PoolExhaustedError.
        """
        connection = await self._acquire()
        if self._row_security and self._tenants.get(connection) != (tenant or ""):
            await self._set_tenant(connection, tenant or "")
        return connection

    async def _acquire(self) -> asyncpg.Connection:
        if self._closed:
            raise DatabaseUnavailableError("The service is stopping.")
        await self._turns.take(ACQUIRE_SECONDS)
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            with translate_database_errors():
                return await self.connect()
        except BaseException:
            self._turns.give_back()
            raise

    async def _set_tenant(self, connection: asyncpg.Connection, tenant: str) -> None:
        self._tenants.pop(connection, None)
        try:
            with translate_database_errors():
                await connection.execute("SELECT set_config('app.tenant', $1, false)", tenant)
        except BaseException:
            self._discard(connection)
            raise
        self._tenants[connection] = tenant

    def release(self, connection: asyncpg.Connection, error: BaseException | None = None) -> None:
        """Take a connection back; `error` is what ended its use, if anything did."""
        if self._closed or is_suspect(connection, error) or connection.is_in_transaction():
            self._discard(connection)
            return
        now = time.monotonic()
        self._idle.append((connection, now))
        self._turns.give_back()
        while self._idle[0][1] < now - IDLE_SECONDS:
            self._close(self._idle.popleft()[0])

    def _discard(self, connection: asyncpg.Connection) -> None:
        self._close(connection).add_done_callback(lambda _: self._turns.give_back())

    def _close(self, connection: asyncpg.Connection) -> asyncio.Task[None]:
        """Close in the background: a statement that still runs is cancelled on the server first."""
        ending = asyncio.create_task(_close(connection))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        return ending

    async def close(self) -> None:
        """Close the idle connections now and the others when they are released."""
        self._closed = True
        while self._idle:
            self._close(self._idle.pop()[0])
        if self._ending:
            await asyncio.wait(self._ending)


async def _close(connection: asyncpg.Connection) -> None:
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
        connection.terminate()


def is_suspect(connection: asyncpg.Connection, error: BaseException | None) -> bool:
    """Whether the connection must not be used again: a statement may still run on it, or it is broken."""
    return connection.is_closed() or isinstance(
        error, (asyncio.CancelledError, GeneratorExit, OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
    )
