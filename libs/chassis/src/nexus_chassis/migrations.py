"""Migrations of a service's schema: numbered SQL files, applied once each and recorded with their checksums."""

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from nexus_chassis.errors import ConfigurationError

_MIGRATION_SECONDS = 3600.0  # of a large table, and as long the wait for another process that migrates
_log = logging.getLogger(__name__)


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


async def apply_migrations(connection: asyncpg.Connection, directory: Path) -> list[str]:
    """Apply the migrations NNNN_name.sql of `directory` that the schema lacks, each in its own transaction.

    Returns the names of those applied. Several processes may call it at once: one works, the others wait.
    Raises ConfigurationError when an applied file was changed afterwards, or a file fails.
    """
    migrations = _read_migrations(directory)
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


async def _apply_missing(connection: asyncpg.Connection, migrations: list[_Migration]) -> list[str]:
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


async def _apply(connection: asyncpg.Connection, migration: _Migration) -> None:
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
        if isinstance(error, (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError)):
            raise  # the server stopped meanwhile; the transaction left nothing behind
        reason = str(error) or f"it took longer than {_MIGRATION_SECONDS:g} s"
        raise ConfigurationError(
            f"The migration {migration.name} failed and left nothing behind: {reason}. Fix the file and start again."
        ) from error
    _log.info("applied migration %s", migration.name)
