"""Connections to PostgreSQL that are opened when needed and used again.

asyncpg's own pool resets each connection with a round trip, returns it in a task of its own and has no error for
"all in use"; a row read by its primary key costs twice as much CPU with it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

import asyncpg

from nexus_chassis.database_errors import translate_database_errors
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError

ACQUIRE_SECONDS = 5.0
"""How long to wait for a connection that another request uses."""

_CLOSE_SECONDS = 2.0


class ConnectionPool:
    """At most `size` connections made by `connect`, which waits no longer than a few seconds."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]], size: int) -> None:
        self.connect = connect
        self._size = size
        self._free = asyncio.Semaphore(size)
        self._idle: deque[asyncpg.Connection] = deque()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    async def acquire(self) -> asyncpg.Connection:
        """A connection for the caller alone, until `release`.

        Raises DatabaseUnavailableError or PoolExhaustedError.
        """
        if self._closed:
            raise DatabaseUnavailableError("The service is stopping.")
        await self._take_turn()
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            with translate_database_errors():
                return await self.connect()
        except BaseException:
            self._free.release()
            raise

    async def _take_turn(self) -> None:
        if not self._free.locked():
            await self._free.acquire()  # does not wait
            return
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                await self._free.acquire()
        except TimeoutError:
            raise PoolExhaustedError("PostgreSQL", self._size, ACQUIRE_SECONDS) from None

    def release(self, connection: asyncpg.Connection, error: BaseException | None = None) -> None:
        """Take a connection back; `error` is what ended its use, if anything did."""
        if self._closed or is_suspect(connection, error) or connection.is_in_transaction():
            ending = asyncio.create_task(self._discard(connection))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
        else:
            self._idle.append(connection)
            self._free.release()

    async def _discard(self, connection: asyncpg.Connection) -> None:
        """Close a connection, after its statement was cancelled on the server where one still runs."""
        try:
            await connection.close(timeout=_CLOSE_SECONDS)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        finally:
            self._free.release()

    async def close(self) -> None:
        """Close the idle connections now and the others when they are released."""
        self._closed = True
        while self._idle:
            await self._idle.pop().close(timeout=_CLOSE_SECONDS)
        if self._ending:
            await asyncio.wait(self._ending)


def is_suspect(connection: asyncpg.Connection, error: BaseException | None) -> bool:
    """Whether the connection must not be used again: a statement may still run on it, or it is broken."""
    return connection.is_closed() or isinstance(
        error, (asyncio.CancelledError, GeneratorExit, OSError, asyncpg.InterfaceError)
    )
