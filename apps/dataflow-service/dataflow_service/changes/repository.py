"""The log of changes in PostgreSQL. It is written by the statements that change rows (records/change_log.py).

Transactions commit in another order than they begin in. A change is shown once no transaction that began before it is
still running, so that nothing can appear behind a position that was read already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg

from dataflow_service.changes.position import Position
from dataflow_service.records import sql
from dataflow_service.records.repository import Row
from dataflow_service.registry.model import Model
from dataflow_service.registry.quoting import quote
from nexus_chassis.channels import DEFAULT_TENANT

LOOKED_AT = 10_000
"""Changes that a page is looked for in: most may be of other tenants."""


@dataclass(frozen=True, slots=True)
class Change:
    """One changed row: `document` is the row as it was afterwards, as JSON text, None of a deleted one."""

    position: Position
    at: datetime
    model: str
    operation: str
    changed: Sequence[str]
    row_id: str
    document: str | None


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Rows that one statement changed in the same way; `position` is that of the last, `row_id` of the first."""

    position: Position
    first: Position
    count: int
    tenant: str | None
    model: str
    operation: str
    changed: Sequence[str]
    row_id: str


TENANT_OF_SET = f"coalesce(change_sets.tenant, '{DEFAULT_TENANT}')"
"""The tenant of a set of changes; those from before rows belonged to tenants are the default one's."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Whose changes are read: those of a tenant, and those of the models (by path) that all tenants share."""

    tenant: str
    shared: Sequence[str]


async def read_page(
    connection: asyncpg.Connection, audience: Audience, after: Position, *, limit: int, max_bytes: int
) -> list[Change]:
    """Return up to `limit` changes of an audience, of the next `LOOKED_AT` after a position.

    A page with `max_bytes` or more ends there.
    """
    parameters = (str(after.xid), after.id, LOOKED_AT, audience.tenant, audience.shared, limit, max_bytes)
    return [
        Change(
            Position(int(row["xid"]), row["id"]),
            row["at"],
            row["model"],
            row["operation"],
            row["changed"],
            row["row_id"],
            row["row"],
        )
        for row in await connection.fetch(_PAGE, *parameters)
    ]


_NEXT = """
SELECT xid, id, set_id, row_id, row FROM changes
 WHERE (xid, id) > ($1::text::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
 ORDER BY xid, id LIMIT $3
"""
_PAGE = f"""
SELECT xid::text, id, at, model, operation, changed, row_id, row::text
  FROM (SELECT *,
               sum(coalesce(octet_length(row::text), 0)) OVER
                   (ORDER BY xid, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
          FROM (SELECT next.*, at, model, operation, changed FROM ({_NEXT}) AS next
                  JOIN LATERAL (SELECT at, model, operation, changed FROM change_sets
                                 WHERE change_sets.id = set_id
                                   AND ({TENANT_OF_SET} = $4 OR model = ANY ($5))) AS change_set ON true
                 ORDER BY xid, next.id LIMIT $6) AS page) AS measured
 WHERE coalesce(bytes_before, 0) < $7
 ORDER BY measured.xid, id
"""  # noqa: S608 - text of this file


async def read_last_looked_at(connection: asyncpg.Connection, after: Position) -> Position | None:
    """Return the last of the changes that `read_page` looks at; None when the log ends before so many."""
    row = await connection.fetchrow(_LAST_LOOKED_AT, str(after.xid), after.id, LOOKED_AT)
    return None if row is None else _position(row)


_LAST_LOOKED_AT = f"SELECT xid::text, id FROM ({_NEXT}) AS next ORDER BY next.xid, id OFFSET $3 - 1"  # noqa: S608 - text of this file


async def read_latest(connection: asyncpg.Connection) -> Position:
    """Return the position after all changes that are shown now."""
    return _position(await connection.fetchrow(_LATEST))


_LATEST = """
SELECT xid::text, id FROM (
    SELECT xid, id FROM change_positions
    UNION ALL
    (SELECT xid, id FROM changes WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC, id DESC LIMIT 1)
) AS known ORDER BY known.xid DESC, id DESC LIMIT 1
"""


async def read_rows(connection: asyncpg.Connection, model: Model, documents: Sequence[str]) -> list[Row]:
    """Return the rows that JSON documents hold, with the types of the model's columns."""
    statement = (
        f'SELECT {sql.columns(model)} FROM unnest($1::text[]) WITH ORDINALITY AS kept ("the document", "the place"), '  # noqa: S608 - names are of the registry, values are parameters
        f'jsonb_populate_record(NULL::{quote(model.table)}, "the document"::jsonb) ORDER BY "the place"'
    )
    return await connection.fetch(statement, documents)


async def read_sets(connection: asyncpg.Connection, after: Position, *, limit: int) -> list[ChangeSet]:
    """Return the sets of the next `limit` changes after a position. A set that the limit cuts is returned in parts."""
    return [
        ChangeSet(
            Position(int(row["xid"]), row["last"]),
            Position(int(row["xid"]), row["first"]),
            row["count"],
            row["tenant"],
            row["model"],
            row["operation"],
            row["changed"],
            row["row_id"],
        )
        for row in await connection.fetch(_SETS, str(after.xid), after.id, limit)
    ]


_SETS = """
SELECT xid::text, first, last, count, row_id, tenant, model, operation, changed
  FROM (SELECT xid, set_id, min(id) AS first, max(id) AS last, count(*) AS count, min(row_id) AS row_id
          FROM (SELECT xid, id, set_id, row_id FROM changes
                 WHERE (xid, id) > ($1::text::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
                 ORDER BY xid, id LIMIT $3) AS page
         GROUP BY xid, set_id) AS grouped
  JOIN change_sets ON change_sets.id = set_id
 ORDER BY grouped.xid, last
"""


async def read_position(connection: asyncpg.Connection, name: Literal["published", "deleted"]) -> Position:
    """Return how far changes were published, or up to where they were deleted."""
    return _position(await connection.fetchrow("SELECT xid::text, id FROM change_positions WHERE name = $1", name))


async def set_published(connection: asyncpg.Connection, position: Position) -> None:
    """Remember how far changes were published."""
    await connection.execute(_SET_PUBLISHED, str(position.xid), position.id)


_SET_PUBLISHED = "UPDATE change_positions SET xid = $1::text::xid8, id = $2 WHERE name = 'published'"


async def delete_old(connection: asyncpg.Connection, age: timedelta, *, limit: int) -> int:
    """Delete up to `limit` of the oldest changes, published ones beyond an age, and their sets; returns how many."""
    number: int = await connection.fetchval(_DELETE_OLD, age, limit)
    return number


# Only the last set of the old changes can have more of them.
_DELETE_OLD = """
WITH oldest AS MATERIALIZED (
    SELECT changes.xid, changes.id, set_id, at < now() - $1::interval AS is_old
      FROM changes JOIN change_sets ON change_sets.id = set_id
     WHERE (changes.xid, changes.id) <= (SELECT xid, id FROM change_positions WHERE name = 'published')
     ORDER BY changes.xid, changes.id LIMIT $2
), old AS MATERIALIZED (
    SELECT xid, id, set_id FROM (SELECT *, bool_and(is_old) OVER (ORDER BY xid, id) AS all_old FROM oldest) AS marked
     WHERE all_old
), last AS (
    SELECT xid, id FROM old ORDER BY xid DESC, id DESC LIMIT 1
), deleted AS (
    DELETE FROM changes USING old WHERE changes.xid = old.xid AND changes.id = old.id RETURNING changes.id
), emptied AS (
    DELETE FROM change_sets USING last
     WHERE change_sets.id IN (SELECT set_id FROM old)
       AND NOT EXISTS (SELECT FROM changes WHERE changes.xid = last.xid AND changes.id > last.id AND set_id = change_sets.id)
), moved AS (
    UPDATE change_positions SET xid = last.xid, id = last.id FROM last WHERE name = 'deleted'
)
SELECT count(*) FROM deleted
"""


async def listen(connection: asyncpg.Connection, announce: Callable[[], None]) -> None:
    """Call `announce` when another process notifies of changes in this schema."""
    schema = await connection.fetchval("SELECT current_schema()")

    def notified(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        if payload == schema:
            announce()

    await connection.add_listener(_CHANNEL, notified)


async def notify(connection: asyncpg.Connection) -> None:
    """Notify the other processes that there are changes."""
    await connection.execute(f"SELECT pg_notify('{_CHANNEL}', current_schema())")


async def lock_relay(connection: asyncpg.Connection) -> bool:
    """Become the process that publishes, until the connection ends; returns whether no other process is."""
    return bool(await connection.fetchval(_LOCK))


_CHANNEL = "dataflow_changes"
_LOCK = "SELECT pg_try_advisory_lock(hashtext('publish the changes of ' || current_schema()))"


def _position(row: Any) -> Position:  # noqa: ANN401 - asyncpg's record
    return Position(int(row["xid"]), row["id"])
