"""PostgreSQL: the connection pool of a service and the migrations of its schema."""

import asyncio
import hashlib
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.settings import PostgresSettings, read_secret

START_SECONDS = 60.0
"""How long to wait at start-up for a server that does not answer yet."""

_RETRY_SECONDS = 0.25
_COMMAND_SECONDS = 30.0
_MIGRATION_SECONDS = 3600.0  # of a large table, and as long the wait for another process that migrates
_NOT_YET = (
    OSError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ConnectionDoesNotExistError,
)
_REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
_log = logging.getLogger(__name__)


async def create_pool(settings: PostgresSettings, *, start_seconds: float = START_SECONDS) -> asyncpg.Pool:
    """A connection pool, once the server answers.

    Raises ConfigurationError when the server refuses the role, or does not answer within `start_seconds`.
    """
    password = read_secret(settings.postgres_password_file, "NEXUS_POSTGRES_PASSWORD_FILE")
    deadline = time.monotonic() + start_seconds
    announced = False
    while True:
        try:
            return await _open(settings, password)
        except _REFUSED as error:
            raise ConfigurationError(_refused(settings, error)) from None
        except _NOT_YET as error:
            if time.monotonic() > deadline:
                raise ConfigurationError(_silent(settings, error, start_seconds)) from None
            if not announced:
                _log.warning("waiting for PostgreSQL at %s: %s", _address(settings), error)
                announced = True
            await asyncio.sleep(_RETRY_SECONDS)


async def _open(settings: PostgresSettings, password: str) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        settings.postgres_url,
        password=password,
        min_size=1,
        max_size=settings.postgres_pool_size,
        timeout=5.0,
        command_timeout=_COMMAND_SECONDS,
    )


def _refused(settings: PostgresSettings, error: Exception) -> str:
    role = urlsplit(settings.postgres_url).username
    return (
        f"PostgreSQL at {_address(settings)} refuses the role {role!r}: {error}. "
        f"The database volume may be older than the secret in {settings.postgres_password_file}: put the former password "
        f"back into that file, or set the new one with ALTER ROLE {role} PASSWORD as superuser."
    )


def _silent(settings: PostgresSettings, error: Exception, seconds: float) -> str:
    return (
        f"PostgreSQL at {_address(settings)} gave no connection within {seconds:g} s: {error}. "
        "See that it runs, and that NEXUS_POSTGRES_URL names it."
    )


def _address(settings: PostgresSettings) -> str:
    url = urlsplit(settings.postgres_url)
    return f"{url.hostname}:{url.port or 5432}"


async def check(pool: asyncpg.Pool) -> None:
    """One round trip, for a health check; raises when the database does not answer."""
    await pool.execute("SELECT 1")


@dataclass(frozen=True)
class _Migration:
    version: int
    name: str
    sql: str
    checksum: str


_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


async def migrate(pool: asyncpg.Pool, directory: Path) -> list[str]:
    """Apply the migrations NNNN_name.sql of `directory` that the schema lacks, each in its own transaction.

    Gives the names of those applied. Several processes may call it at once: one works, the others wait.
    Raises ConfigurationError when an applied file was changed afterwards, or a file fails.
    """
    migrations = _read_migrations(directory)
    async with pool.acquire() as connection:
        lock = await connection.fetchval("SELECT hashtext('migrate ' || current_schema())")
        await connection.execute("SELECT pg_advisory_lock($1)", lock, timeout=_MIGRATION_SECONDS)
        try:
            return await _apply_missing(connection, migrations)
        finally:
            await connection.execute("SELECT pg_advisory_unlock($1)", lock)


def _read_migrations(directory: Path) -> list[_Migration]:
    migrations = []
    for path in sorted(directory.glob("*.sql")):
        number = re.match(r"(\d{4})_\w+\.sql$", path.name)
        if number is None:
            raise ConfigurationError(f"{path} is not named like a migration. Call it NNNN_name.sql.")
        sql = path.read_text(encoding="utf-8")
        migrations.append(_Migration(int(number[1]), path.name, sql, hashlib.sha256(sql.encode()).hexdigest()))
    if not migrations:
        raise ConfigurationError(f"There are no migrations in {directory}. The image lacks them; build it again.")
    return migrations


async def _apply_missing(connection: "asyncpg.pool.PoolConnectionProxy", migrations: list[_Migration]) -> list[str]:
    await connection.execute(_LEDGER)
    applied = {
        row["version"]: row for row in await connection.fetch("SELECT version, name, checksum FROM schema_migrations")
    }
    done = []
    for migration in migrations:
        if (row := applied.get(migration.version)) is None:
            await _apply(connection, migration)
            done.append(migration.name)
        elif row["checksum"] != migration.checksum:
            raise ConfigurationError(
                f"The migration {migration.name} was changed after it was applied as {row['name']}. "
                "Restore its former text and put the change into a new migration."
            )
    return done


async def _apply(connection: "asyncpg.pool.PoolConnectionProxy", migration: _Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql, timeout=_MIGRATION_SECONDS)
            await connection.execute(
                "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )
    except (asyncpg.PostgresError, TimeoutError) as error:
        reason = str(error) or f"it took longer than {_MIGRATION_SECONDS:g} s"
        raise ConfigurationError(
            f"The migration {migration.name} failed and left nothing behind: {reason}. Mend the file and start again."
        ) from error
    _log.info("applied migration %s", migration.name)
