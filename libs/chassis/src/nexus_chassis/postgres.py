"""PostgreSQL of a service: its connections, the migration of its schema, and the wait for a server that is away."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import asyncpg

from nexus_chassis.connection_pool import ConnectionPool
from nexus_chassis.database_errors import translate_database_errors
from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.exact_dates import use_exact_dates
from nexus_chassis.migrations import apply_migrations
from nexus_chassis.settings import PostgresSettings, read_secret
from nexus_chassis.unit_of_work import Database

_RETRY_SECONDS = 0.5
_CONNECT_SECONDS = 5.0
_COMMAND_SECONDS = 30.0
_REFUSED = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)
_SESSION = {"idle_in_transaction_session_timeout": "60s"}
_log = logging.getLogger(__name__)

type Prepare = Callable[[Database], Awaitable[None]]
"""What a service does once the schema is there, and before it takes traffic."""


@asynccontextmanager
async def open_database(
    settings: PostgresSettings,
    migrations: Path,
    *,
    workers: int = 1,
    prepare: Prepare | None = None,
    row_security: bool = False,
) -> AsyncIterator[Database]:
    """The service's database, whose schema is migrated before `prepare` is called with it.

    While PostgreSQL is away the Database is yielded all the same, not `opened`; migration and `prepare` follow when
    the server answers. Raises ConfigurationError for wrong settings; where they turn out wrong later, the block is
    cancelled first. `workers` is the number of processes that each open one; `row_security` as of ConnectionPool.
    """
    pool = create_pool(settings, row_security=row_security)
    opening = _Opening(settings, migrations, workers, prepare, Database(pool, usable=False))
    try:
        if await opening.attempt():
            yield opening.database
        else:
            async with _in_background(opening.keep_trying()):
                yield opening.database
    finally:
        await opening.database.close()


@asynccontextmanager
async def _in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `work` beside the block; when it fails, cancel the block and raise its error."""
    block = cast("asyncio.Task[None]", asyncio.current_task())
    task = asyncio.create_task(work)
    task.add_done_callback(lambda ended: None if _failure(ended) is None else block.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if (failure := _failure(task)) is None:
            raise
        block.uncancel()
        raise failure from None
    finally:
        task.cancel()
        await asyncio.wait({task})


def _failure(task: asyncio.Task[None]) -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


@dataclass
class _Opening:
    settings: PostgresSettings
    migrations: Path
    workers: int
    prepare: Prepare | None
    database: Database
    announced: bool = False

    async def keep_trying(self) -> None:
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            if await self.attempt():
                break
        _log.info("PostgreSQL at %s answers", _address(self.settings.postgres_url))

    async def attempt(self) -> bool:
        """Whether the database is open now."""
        try:
            with translate_database_errors():
                await self._open()
        except (DatabaseUnavailableError, PoolExhaustedError) as error:
            if not self.announced:
                _log.warning("waiting for PostgreSQL at %s: %s", _address(self.settings.postgres_url), error)
                self.announced = True
            return False
        return True

    async def _open(self) -> None:
        await migrate(self.settings, self.migrations)
        self.database.usable = True
        async with self.database.read() as connection:
            await _check_connections(connection, self.settings, self.workers)
        if self.prepare is not None:
            await self.prepare(self.database)
        self.database.opened = True


async def migrate(settings: PostgresSettings, directory: Path) -> list[str]:
    """Apply the migrations that the schema lacks, as the owner role where one is set; returns their names.

    Raises ConfigurationError for wrong settings or migrations, DatabaseUnavailableError while PostgreSQL is away.
    """
    async with connect_as_owner(settings) as connection:
        return await apply_migrations(connection, directory)


@asynccontextmanager
async def connect_as_owner(settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the role that owns the schema, which is the service's own role where no owner is set.

    Raises ConfigurationError for wrong settings, DatabaseUnavailableError while PostgreSQL is away.
    """
    with translate_database_errors():
        connection = await _connect_owner(settings)
        try:
            yield connection
        finally:
            await connection.close(timeout=_CONNECT_SECONDS)


async def _connect_owner(settings: PostgresSettings) -> asyncpg.Connection:
    if settings.postgres_owner_url is None or settings.postgres_owner_password_file is None:
        return await _connect(settings.postgres_url, settings.postgres_password_file, "NEXUS_POSTGRES_PASSWORD_FILE")
    return await _connect(
        settings.postgres_owner_url, settings.postgres_owner_password_file, "NEXUS_POSTGRES_OWNER_PASSWORD_FILE"
    )


def create_pool(settings: PostgresSettings, *, row_security: bool = False) -> ConnectionPool:
    """A pool with the service's own role, whose connections are opened when they are needed."""
    file = settings.postgres_password_file
    return ConnectionPool(
        lambda: _connect(settings.postgres_url, file, "NEXUS_POSTGRES_PASSWORD_FILE"),
        settings.postgres_pool_size,
        row_security=row_security,
    )


async def _connect(url: str, password_file: Path, setting: str) -> asyncpg.Connection:
    password = read_secret(password_file, setting)
    try:
        connection = await asyncpg.connect(
            url,
            password=password,
            timeout=_CONNECT_SECONDS,
            command_timeout=_COMMAND_SECONDS,
            server_settings=_SESSION,
        )
    except _REFUSED as error:
        raise ConfigurationError(_refused(url, password_file, error)) from None
    except asyncpg.ClientConfigurationError as error:
        raise ConfigurationError(f"{setting.removesuffix('_PASSWORD_FILE')}_URL is not usable: {error}.") from None
    await use_exact_dates(connection)
    return connection


def _refused(url: str, password_file: Path, error: Exception) -> str:
    role = urlsplit(url).username
    return (
        f"PostgreSQL at {_address(url)} refuses the role {role!r}: {error}. "
        f"The database volume may be older than the secret in {password_file}: put the former password "
        f"back into that file, or set the new one with ALTER ROLE {role} PASSWORD as superuser."
    )


def _address(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}"


async def _check_connections(connection: asyncpg.Connection, settings: PostgresSettings, workers: int) -> None:
    """Warn when the workers of this one service can use up the connections of the server."""
    ((limit, reserved),) = await connection.fetch(_LIMITS)
    wanted = workers * (settings.postgres_pool_size + 1)
    if wanted > limit - reserved:
        _log.warning(
            "This service may open %d connections (WEB_CONCURRENCY %d x (NEXUS_POSTGRES_POOL_SIZE %d + 1 for health)), "
            "but PostgreSQL takes %d (max_connections %d - %d reserved). Lower one of the two settings or raise "
            "max_connections.",
            wanted,
            workers,
            settings.postgres_pool_size,
            limit - reserved,
            limit,
            reserved,
        )


_LIMITS = """
SELECT current_setting('max_connections')::int AS max_connections,
       current_setting('superuser_reserved_connections')::int + current_setting('reserved_connections')::int AS reserved
"""
