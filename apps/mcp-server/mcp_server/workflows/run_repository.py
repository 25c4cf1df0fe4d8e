"""Runs in PostgreSQL. Row-level security shows each transaction the rows of its tenant alone."""

import json
from collections.abc import Sequence
from typing import Any

import asyncpg

from mcp_server.workflows.outcomes import End
from mcp_server.workflows.run_models import NewRun, Run, RunLog

_KEPT = "interval '7 days'"
_DELETED = 20  # expired runs that a new one makes room for: more than one, so that they become fewer
_RUN = """
SELECT run_id, name, version, alias, subject, client_id, state, reason, detail, result::text, attempts,
       returns_run, created_at, updated_at, started_at, ended_at FROM workflow_runs
"""


async def add(connection: asyncpg.Connection, run: NewRun) -> None:
    """Add a run and put it into the queue; delete some that ended long ago."""
    await connection.execute(_DELETE_EXPIRED, _DELETED)
    arguments = [run.tenant, run.run_id, run.name, run.version, run.alias, run.subject, run.client_id]
    await connection.execute(_ADD, *arguments, run.arguments, run.expected, run.returns_run, run.token)
    await connection.execute("INSERT INTO workflow_queue (run_id, tenant) VALUES ($1, $2)", run.run_id, run.tenant)


_ADD = """
INSERT INTO workflow_runs (tenant, run_id, name, version, alias, subject, client_id, arguments, expected, returns_run, token)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::json, $9::text::json, $10, $11)
"""
_DELETE_EXPIRED = f"""
DELETE FROM workflow_runs WHERE (tenant, run_id) IN (
    SELECT tenant, run_id FROM workflow_runs WHERE ended_at < now() - {_KEPT} ORDER BY ended_at LIMIT $1
    FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 - text of this file


async def count_open(connection: asyncpg.Connection, subject: str) -> int:
    """Return how many runs of a user have not ended."""
    return int(await connection.fetchval(_COUNT_OPEN, subject))


_COUNT_OPEN = "SELECT count(*) FROM workflow_runs WHERE subject = $1 AND state IN ('queued', 'running')"


async def find(connection: asyncpg.Connection, run_id: str) -> Run | None:
    """Return a run."""
    row = await connection.fetchrow(f"{_RUN} WHERE run_id = $1", run_id)
    return None if row is None else _run(row)


async def page(
    connection: asyncpg.Connection, name: str, subject: str | None, before: str | None, limit: int
) -> list[Run]:
    """Return runs of a workflow, the newest first, after the run `before`; of one user, unless `subject` is None."""
    return [_run(row) for row in await connection.fetch(_PAGE, name, subject, before, limit)]


_PAGE = f"""{_RUN} WHERE name = $1 AND ($2::text IS NULL OR subject = $2)
  AND ($3::text IS NULL OR (created_at, run_id) < (SELECT created_at, run_id FROM workflow_runs WHERE run_id = $3))
ORDER BY created_at DESC, run_id DESC LIMIT $4
"""  # noqa: S608 - text of this file


async def cancel(connection: asyncpg.Connection, run_id: str) -> bool:
    """End a run as cancelled; returns False where it has ended."""
    await connection.execute("DELETE FROM workflow_queue WHERE run_id = $1", run_id)
    return await connection.fetchval(_CANCEL, run_id) is not None


_CANCEL = """
UPDATE workflow_runs SET state = 'cancelled', token = NULL, updated_at = now(), ended_at = now()
 WHERE run_id = $1 AND state IN ('queued', 'running') RETURNING true
"""


async def end(connection: asyncpg.Connection, run_id: str, end: End) -> None:
    """Write the end of a run that has not ended."""
    state = "failed" if end.has_failed else "finished"
    result = None if end.has_failed else json.dumps(end.result)
    await connection.execute(_END, run_id, state, end.reason, _plain(end.detail), result)


_END = """
UPDATE workflow_runs SET state = $2, reason = $3, detail = $4, result = $5::text::json, token = NULL,
       updated_at = now(), ended_at = now()
 WHERE run_id = $1 AND state IN ('queued', 'running')
"""


async def add_logs(connection: asyncpg.Connection, tenant: str, run_id: str, lines: Sequence[RunLog]) -> None:
    """Add lines to the log of a run."""
    columns = zip(
        *((line.number, line.at, line.level, _plain(line.logger), _plain(line.message)) for line in lines), strict=True
    )
    await connection.execute(_ADD_LOGS, tenant, run_id, *map(list, columns))


_ADD_LOGS = """
INSERT INTO workflow_run_logs (tenant, run_id, number, at, level, logger, message)
SELECT $1, $2, * FROM unnest($3::integer[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
ON CONFLICT DO NOTHING
"""


async def last_log(connection: asyncpg.Connection, run_id: str) -> int:
    """Return the number of the last line of the log of a run; 0 where it is empty."""
    return await connection.fetchval("SELECT max(number) FROM workflow_run_logs WHERE run_id = $1", run_id) or 0


async def logs(connection: asyncpg.Connection, run_id: str, after: int, limit: int) -> list[RunLog]:
    """Return up to `limit` lines of the log of a run, those after a number."""
    return [RunLog(**row) for row in await connection.fetch(_LOGS, run_id, after, limit)]


_LOGS = """
SELECT number, at, level, logger, message FROM workflow_run_logs WHERE run_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""


def _plain(text: str | None) -> str | None:
    """Return a text as PostgreSQL can have it: without NUL."""
    return None if text is None else text.replace("\0", "\ufffd")


def _run(row: asyncpg.Record) -> Run:
    members: dict[str, Any] = dict(row)
    return Run(**members | {"result": None if row["result"] is None else json.loads(row["result"])})
