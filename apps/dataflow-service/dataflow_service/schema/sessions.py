"""Connections of the owner of the schema, to read and to change tables."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from dataflow_service.schema import repository
from dataflow_service.schema.errors import MigrationRunningError
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.postgres import connect_as_owner
from nexus_chassis.settings import PostgresSettings


class Sessions:
    """At most two connections are open: one to read, for which callers take turns, and one to change tables.

    Both raise DatabaseUnavailableError while PostgreSQL is away, lacks the service's own tables or keeps a table locked.
    """

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Lock()
        self._changing = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[asyncpg.Connection]:
        """Context manager of a connection that changes nothing."""
        async with self._turns, self._connection(repository.READ_LOCK_SECONDS) as connection:
            yield connection

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[asyncpg.Connection]:
        """Context manager of the one connection that changes tables; raises MigrationRunningError where somebody has it."""
        if self._changing.locked():
            raise MigrationRunningError
        async with self._changing, self._connection(repository.LOCK_SECONDS) as connection:
            if not await repository.lock(connection):
                raise MigrationRunningError
            yield connection

    @asynccontextmanager
    async def _connection(self, lock_seconds: float) -> AsyncIterator[asyncpg.Connection]:
        async with connect_as_owner(self._settings) as connection:
            await repository.begin_session(connection, lock_seconds)
            if not await repository.has_ledger(connection):
                raise DatabaseUnavailableError("The tables of the service itself are missing: run `migrate` first")
            try:
                yield connection
            except asyncpg.LockNotAvailableError as error:
                message = f"Another transaction kept a table of the models locked for {lock_seconds:g} s"
                raise DatabaseUnavailableError(message) from error
