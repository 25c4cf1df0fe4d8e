"""The session and the locks of those who change tables, what tables hold, and the ledger of plans."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg
from pydantic import TypeAdapter

from dataflow_service.registry.model import TENANT
from dataflow_service.registry.quoting import quote
from dataflow_service.schema import steps as steps_of
from dataflow_service.schema.changes import dump_schema
from dataflow_service.schema.migration import Migration, Progress, State
from dataflow_service.schema.steps import Steps
from dataflow_service.schema.tables import Declared, Schema, declared

LOCK_SECONDS = 2.0
"""How long a step waits for its lock: as long, others who want the table wait behind it."""

READ_LOCK_SECONDS = 10.0
"""How long reading the tables waits for a lock, which PostgreSQL takes to print a default: longer than a step waits for its own."""

_DECLARED = TypeAdapter(Declared)
_PROGRESS = TypeAdapter(Mapping[int, Progress])


async def begin_session(connection: asyncpg.Connection, lock_seconds: float) -> None:
    """Make the session see its own schema alone, wait that long for a lock, and end when the client has died."""
    await connection.execute(_SESSION, f"{lock_seconds:g}s")


_SESSION = """
SELECT set_config('search_path', quote_ident(current_schema()), false),
       set_config('lock_timeout', $1, false),
       set_config('client_connection_check_interval', '1s', false),
       set_config('timezone', 'UTC', false)
"""


async def lock(connection: asyncpg.Connection) -> bool:
    """Take the lock of those who change tables until the connection is closed; returns whether it was free.

    It never waits: CREATE INDEX CONCURRENTLY waits for the statements of others, and so for one that waits for this lock.
    """
    return bool(await connection.fetchval(_LOCK))


_KEY = "hashtext('migrate the models of ' || current_schema())"
_LOCK = f"SELECT pg_try_advisory_lock({_KEY})"


async def is_locked(connection: asyncpg.Connection) -> bool:
    """Whether somebody has that lock now."""
    return bool(await connection.fetchval(_IS_LOCKED))


_IS_LOCKED = f"""
SELECT EXISTS (
    SELECT FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND objsubid = 1
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND (classid::bigint << 32) | objid::bigint = {_KEY}
)
"""  # noqa: S608 - text of this file


async def has_ledger(connection: asyncpg.Connection) -> bool:
    """Whether the service's own tables are there."""
    return bool(await connection.fetchval("SELECT to_regclass('model_migrations') IS NOT NULL"))


async def has_rows(connection: asyncpg.Connection, table: str) -> bool:
    """Whether a table of the schema has rows, of any tenant; False where there is no such table."""
    if not await connection.fetchval("SELECT to_regclass(quote_ident($1)) IS NOT NULL", table):
        return False
    try:
        async with _seeing_all_rows(connection, table):
            return bool(await connection.fetchval(f"SELECT EXISTS (SELECT FROM {quote(table)})"))  # noqa: S608 - quoted
    except asyncpg.LockNotAvailableError:  # what is in use is taken for one that has rows
        return True


async def tenants(connection: asyncpg.Connection, table: str) -> list[str]:
    """Return the tenants that have rows in a table; one that is no tenant where the table keeps none apart."""
    if not await connection.fetchval(_IS_FORCED, table):
        return [""]
    async with _seeing_all_rows(connection, table):
        return [row["tenant"] for row in await connection.fetch(_TENANTS.format(table=quote(table)))]


_IS_FORCED = "SELECT relforcerowsecurity FROM pg_class WHERE oid = to_regclass(quote_ident($1))"
# An index finds each tenant behind the one before: as many steps as tenants.
_TENANTS = f"""
WITH RECURSIVE found (tenant) AS (
    (SELECT {TENANT} FROM {{table}} ORDER BY {TENANT} LIMIT 1)
    UNION ALL
    SELECT (SELECT {TENANT} FROM {{table}} WHERE {TENANT} > tenant ORDER BY {TENANT} LIMIT 1) FROM found WHERE tenant IS NOT NULL
)
SELECT tenant FROM found WHERE tenant IS NOT NULL
"""  # noqa: S608 - text of this file


@asynccontextmanager
async def _seeing_all_rows(connection: asyncpg.Connection, table: str) -> AsyncIterator[None]:
    """Context manager in which policies do not hold for this connection, the table's owner. Nothing of it is committed.

    Others wait for the table meanwhile: only a glance is allowed.
    """
    transaction = connection.transaction()
    await transaction.start()
    try:
        if await connection.fetchval(_IS_FORCED, table):
            await connection.execute(f"ALTER TABLE {quote(table)} NO FORCE ROW LEVEL SECURITY")
        yield
    finally:
        await transaction.rollback()


async def act_for(connection: asyncpg.Connection, tenant: str) -> None:
    """Let the connection see the rows of a tenant."""
    await connection.execute("SELECT set_config('app.tenant', $1, false)", tenant)


async def index_is_valid(connection: asyncpg.Connection, table: str, name: str) -> bool | None:
    """Whether an index of a table can be used; None where the table has no such index."""
    valid: bool | None = await connection.fetchval(
        "SELECT indisvalid FROM pg_index WHERE indrelid = to_regclass(quote_ident($1)) "
        "AND indexrelid = to_regclass(quote_ident($2))",
        table,
        name,
    )
    return valid


async def pages(connection: asyncpg.Connection, table: str) -> int:
    """Return how many pages a table has now."""
    number: int = await connection.fetchval(
        "SELECT pg_relation_size(quote_ident($1)::regclass) / current_setting('block_size')::int", table
    )
    return number


async def read_migrations(connection: asyncpg.Connection) -> list[Migration]:
    """Return the plans of the ledger, the last one first."""
    return [_migration(row) for row in await connection.fetch("SELECT * FROM model_migrations ORDER BY id DESC")]


def _migration(row: asyncpg.Record) -> Migration:
    parsed = {
        "steps": steps_of.load(row["steps"]),
        "declared": _DECLARED.validate_json(row["declared"]),
        "state": State(row["state"]),
        "progress": _PROGRESS.validate_json(row["progress"]),
    }
    return Migration(**{**dict(row), **parsed})


async def add_migration(
    connection: asyncpg.Connection,
    steps: Steps,
    tables: Schema,
    *,
    file: str | None = None,
    file_checksum: str | None = None,
) -> Migration:
    """Write a plan into the ledger, before its first step; `tables` is what it declares."""
    (row,) = await connection.fetch(
        _ADD,
        steps_of.checksum(steps),
        steps_of.text(steps),
        steps_of.dump(steps),
        _DECLARED.dump_json(declared(tables)).decode(),
        dump_schema(tables),
        file,
        file_checksum,
    )
    return _migration(row)


_ADD = """
INSERT INTO model_migrations (checksum, text, steps, declared, tables, file, file_checksum, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'applying') RETURNING *
"""


async def set_progress(
    connection: asyncpg.Connection, migration: Migration, entries: Mapping[int, Progress], done: int | None
) -> None:
    """Write down how steps of a plan go, and how many are in effect unless that is as it was."""
    progress = _PROGRESS.dump_json(entries, exclude_none=True).decode()
    await connection.execute(_SET_PROGRESS, migration.id, progress, done)


_SET_PROGRESS = "UPDATE model_migrations SET progress = progress || $2::jsonb, done = coalesce($3, done) WHERE id = $1"


async def replace_migrations(connection: asyncpg.Connection, files: Sequence[str]) -> None:
    """Write down that files have been replaced by a squashed one."""
    await connection.execute(_REPLACE, files)


_REPLACE = "UPDATE model_migrations SET state = 'replaced' WHERE file = ANY ($1) AND state = 'applied'"


async def set_state(connection: asyncpg.Connection, migration: Migration, state: State) -> Migration:
    """Write down how far a plan is, with the time where it has ended."""
    (row,) = await connection.fetch(_SET_STATE, migration.id, state)
    return _migration(row)


_SET_STATE = """
UPDATE model_migrations
   SET state = $2,
       applied_at = CASE WHEN $2 = 'applied' THEN clock_timestamp() ELSE applied_at END,
       rolled_back_at = CASE WHEN $2 = 'rolled back' THEN clock_timestamp() ELSE rolled_back_at END
 WHERE id = $1 RETURNING *
"""


async def end_unstarted(connection: asyncpg.Connection, migration: Migration, *, kept: bool) -> None:
    """Remove a plan that failed before any step took effect, or keep it as one that failed."""
    sql = "UPDATE model_migrations SET state = 'failed'" if kept else "DELETE FROM model_migrations"
    await connection.execute(f"{sql} WHERE id = $1 AND done = 0 AND state = 'applying'", migration.id)
