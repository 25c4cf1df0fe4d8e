"""The queue of runs of all tenants: a process holds a run for a while, and longer while it says so.

A run that nobody holds any more is taken by another process. Only its holder writes the end of a run.
"""

import json

import asyncpg

from mcp_server.workflows.run_models import HeldRun

LEASE_SECONDS = 15.0
"""How long a process that holds a run may be silent until another one takes it."""


async def take(connection: asyncpg.Connection, holder: str, limit: int) -> list[tuple[str, str]]:
    """Hold up to `limit` runs that nobody holds, the oldest first; returns the tenant and the id of each."""
    rows = await connection.fetch(_TAKE, holder, limit, LEASE_SECONDS)
    return [(row["tenant"], row["run_id"]) for row in rows]


_TAKE = """
WITH next AS MATERIALIZED (
    SELECT run_id FROM workflow_queue WHERE available_at <= now() ORDER BY queued_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE workflow_queue AS queue SET holder = $1, available_at = now() + make_interval(secs => $3)
  FROM next WHERE queue.run_id = next.run_id RETURNING queue.tenant, queue.run_id
"""


async def waiting(connection: asyncpg.Connection) -> tuple[int, float]:
    """Return how many runs wait that nobody holds, and how many seconds the oldest has."""
    ((count, seconds),) = await connection.fetch(_WAITING)
    return count, seconds


_WAITING = """
SELECT count(*) AS count, coalesce(extract(epoch FROM now() - min(queued_at)), 0)::float8 AS seconds
  FROM workflow_queue WHERE available_at <= now()
"""


async def renew(connection: asyncpg.Connection, holder: str, run_ids: list[str]) -> set[str]:
    """Hold runs for longer; returns those that the process still holds."""
    rows = await connection.fetch(_RENEW, holder, run_ids, LEASE_SECONDS)
    return {row["run_id"] for row in rows}


_RENEW = """
UPDATE workflow_queue SET available_at = now() + make_interval(secs => $3)
 WHERE holder = $1 AND run_id = ANY($2) RETURNING run_id
"""


async def begin(connection: asyncpg.Connection, run_id: str) -> HeldRun | None:
    """Count the start of a run that the process holds; returns None where it has ended meanwhile."""
    row = await connection.fetchrow(_BEGIN, run_id)
    if row is None:
        return None
    members = dict(row) | {"arguments": json.loads(row["arguments"])}
    return HeldRun(**members | {"expected": None if row["expected"] is None else json.loads(row["expected"])})


_BEGIN = """
UPDATE workflow_runs SET state = 'running', attempts = attempts + 1, updated_at = now(),
       started_at = coalesce(started_at, now())
 WHERE run_id = $1 AND state IN ('queued', 'running')
RETURNING run_id, tenant, name, version, arguments::text, expected::text, token, attempts, has_changed,
          extract(epoch FROM now() - created_at)::float8 AS waited_seconds
"""


async def mark_changed(connection: asyncpg.Connection, holder: str, run_id: str) -> bool:
    """Record that a run is about to change data; returns False where the process does not hold it any more."""
    return await connection.fetchval(_MARK_CHANGED, run_id, holder) is not None


_MARK_CHANGED = """
UPDATE workflow_runs AS run SET has_changed = true FROM workflow_queue AS queue
 WHERE run.run_id = $1 AND queue.run_id = run.run_id AND queue.holder = $2 RETURNING true
"""


async def leave(connection: asyncpg.Connection, holder: str, run_id: str) -> bool:
    """Take a run that ends out of the queue; returns False where the process does not hold it any more."""
    found = await connection.fetchval(
        "DELETE FROM workflow_queue WHERE run_id = $1 AND holder = $2 RETURNING true", run_id, holder
    )
    return found is not None


async def put_back(connection: asyncpg.Connection, holder: str, run_id: str, *, seconds: float, counts: bool) -> None:
    """Let any process take a run again after some seconds; `counts` where its start counts as an attempt."""
    if await connection.fetchval(_PUT_BACK, run_id, holder, seconds) is not None:
        await connection.execute(_QUEUED, run_id, 0 if counts else 1)


_PUT_BACK = """
UPDATE workflow_queue SET holder = NULL, available_at = now() + make_interval(secs => $3)
 WHERE run_id = $1 AND holder = $2 RETURNING true
"""
_QUEUED = """
UPDATE workflow_runs SET state = 'queued', attempts = attempts - $2, updated_at = now() WHERE run_id = $1 AND state = 'running'
"""
