"""Jobs in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from classification_service.jobs.models import (
    ClaimedChunk,
    ColumnMapping,
    FinishedChunk,
    Job,
    JobOptions,
    Layout,
    Outcome,
    Owner,
    RowError,
    Standing,
)
from classification_service.taxonomies.starters import STARTER_VERSION

MAX_ERRORS = 100
"""Errors of rows that are kept for each chunk, and shown of a job."""

_COLUMNS = "id, tenant, subject, name, state, options, layout, created_at, ended_at, error"
_OWNED = "tenant = $1 AND subject = $2"
# One that has been received for an hour is what a process left behind that was killed.
_UNFINISHED = "(state = 'running' OR state = 'receiving' AND created_at > now() - interval '1 hour')"


def _job(row: Any) -> Job:  # noqa: ANN401  asyncpg's record
    options, layout = json.loads(row["options"]), json.loads(row["layout"] or "null")
    mapping = ColumnMapping(**options.pop("mapping"))
    return Job(
        id=row["id"],
        owner=Owner(row["tenant"], row["subject"]),
        name=row["name"],
        state=row["state"],
        options=JobOptions(mapping=mapping, **options),
        layout=Layout(format="csv", columns=[]) if layout is None else Layout(**layout),
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        error=row["error"],
    )


async def create(
    connection: asyncpg.Connection, job_id: UUID, owner: Owner, name: str | None, options: JobOptions, *, limit: int
) -> bool:
    """Begin to receive a job; returns whether the owner has fewer unfinished ones than `limit`."""
    arguments = (
        job_id,
        owner.tenant,
        owner.subject,
        name,
        options.taxonomy,
        options.version,
        json.dumps(asdict(options)),
        limit,
    )
    return await connection.fetchval(_CREATE, *arguments) is not None


_CREATE = f"""
INSERT INTO jobs (id, tenant, subject, name, taxonomy, version, options)
SELECT $1, $2, $3, $4, $5, $6, $7
 WHERE (SELECT count(*) FROM jobs WHERE tenant = $2 AND subject = $3 AND {_UNFINISHED}) < $8
RETURNING id
"""  # noqa: S608  text of this file


async def add_part(connection: asyncpg.Connection, job_id: UUID, number: int, content: bytes) -> None:
    """Store a part of the file."""
    await connection.execute(
        "INSERT INTO job_parts (job_id, number, content) VALUES ($1, $2, $3)", job_id, number, content
    )


async def read_part(connection: asyncpg.Connection, job_id: UUID, number: int) -> bytes:
    """A part of the file, empty where there is none."""
    content = await connection.fetchval(
        "SELECT content FROM job_parts WHERE job_id = $1 AND number = $2", job_id, number
    )
    return bytes(content or b"")


async def file_size(connection: asyncpg.Connection, job_id: UUID) -> int:
    """The bytes of the file."""
    return int(await connection.fetchval(_SIZE, job_id))


_SIZE = "SELECT coalesce(sum(length(content)), 0) FROM job_parts WHERE job_id = $1"


async def start(connection: asyncpg.Connection, job_id: UUID, layout: Layout) -> Job:
    """Let workers have a job that is received."""
    return _job(await connection.fetchrow(_START, job_id, json.dumps(asdict(layout))))


_START = f"""
UPDATE jobs SET state = 'running', layout = $2, started_at = now() WHERE id = $1 RETURNING {_COLUMNS}
"""  # noqa: S608  text of this file


async def delete(connection: asyncpg.Connection, job_id: UUID) -> None:
    """Forget a job, whatever its state."""
    await connection.execute("DELETE FROM jobs WHERE id = $1", job_id)


async def find(connection: asyncpg.Connection, owner: Owner, job_id: UUID) -> Job | None:
    """A job of its owner that is received."""
    row = await connection.fetchrow(_FIND, owner.tenant, owner.subject, job_id)
    return None if row is None else _job(row)


_FIND = f"SELECT {_COLUMNS} FROM jobs WHERE {_OWNED} AND id = $3 AND state <> 'receiving'"  # noqa: S608  text of this file


async def page(connection: asyncpg.Connection, owner: Owner, after: UUID | None, limit: int) -> list[Job]:
    """The owner's jobs, the latest first, those after one."""
    return [_job(row) for row in await connection.fetch(_PAGE, owner.tenant, owner.subject, after, limit)]


_PAGE = f"""
SELECT {_COLUMNS} FROM jobs
 WHERE {_OWNED} AND state <> 'receiving'
   AND ($3::uuid IS NULL OR (created_at, id) < (SELECT created_at, id FROM jobs WHERE id = $3))
 ORDER BY created_at DESC, id DESC LIMIT $4
"""  # noqa: S608  text of this file


async def cancel(connection: asyncpg.Connection, owner: Owner, job_id: UUID) -> bool:
    """Cancel a job that runs; returns whether it did."""
    return await connection.fetchval(_CANCEL, owner.tenant, owner.subject, job_id) is not None


_CANCEL = f"""
UPDATE jobs SET state = 'cancelled', ended_at = now() WHERE {_OWNED} AND id = $3 AND state = 'running' RETURNING id
"""  # noqa: S608  text of this file


async def fail(connection: asyncpg.Connection, job_id: UUID, error: str) -> bool:
    """End a job that cannot go on; returns whether it was running."""
    text = error.encode(errors="replace").decode().replace("\0", "\ufffd")
    return await connection.fetchval(_FAIL, job_id, text) is not None


_FAIL = (
    "UPDATE jobs SET state = 'failed', error = $2, ended_at = now() WHERE id = $1 AND state = 'running' RETURNING id"
)


async def standing(connection: asyncpg.Connection, job_id: UUID) -> Standing:
    """How far a job is."""
    row = await connection.fetchrow(_STANDING, job_id)
    if row is None:  # it was deleted meanwhile
        return Standing(0, whole=False, done=0, failed=0, rate=0)
    return Standing(row["read_rows"], row["read"], row["done"], row["failed"], round(float(row["rate"]), 1))


# The rate is that of the last half minute, or of the whole job once it has ended.
_STANDING = """
SELECT read_rows, read, done, failed, coalesce(recent / nullif(seconds, 0), 0) AS rate
  FROM (SELECT j.read_rows, j.read, coalesce(sum(c.rows) FILTER (WHERE c.done_at IS NOT NULL), 0) AS done,
               coalesce(sum(c.failed), 0) AS failed,
               coalesce(sum(c.rows) FILTER (WHERE c.done_at > now() - interval '30 s'
                                               OR j.ended_at IS NOT NULL AND c.done_at IS NOT NULL), 0) AS recent,
               CASE WHEN j.ended_at IS NULL THEN least(30, extract(epoch FROM clock_timestamp() - j.started_at))
                    ELSE extract(epoch FROM j.ended_at - j.started_at) END AS seconds
          FROM jobs j LEFT JOIN job_chunks c ON c.job_id = j.id
         WHERE j.id = $1 GROUP BY j.id) AS counted
"""


async def errors(connection: asyncpg.Connection, job_id: UUID) -> list[RowError]:
    """The errors of the first rows without a code."""
    rows = await connection.fetch(_ERRORS, job_id, MAX_ERRORS)
    found = [RowError(*error) for row in rows for error in json.loads(row["errors"])]
    return found[:MAX_ERRORS]


_ERRORS = """
SELECT errors FROM job_chunks WHERE job_id = $1 AND failed > 0 AND done_at IS NOT NULL ORDER BY number LIMIT $2
"""


async def unread(connection: asyncpg.Connection) -> list[tuple[UUID, str]]:
    """The running jobs that are not read to their end, oldest first, each with the key of the lock on its reading."""
    return [(row["id"], row["key"]) for row in await connection.fetch(_UNREAD)]


_UNREAD = """
SELECT id, concat_ws(' ', 'read job', current_schema(), id) AS key FROM jobs
 WHERE state = 'running' AND NOT read ORDER BY created_at LIMIT 100
"""


async def lock_reading(connection: asyncpg.Connection, key: str) -> bool:
    """Become the only reader, for as long as the connection lives; returns whether there is no other one.

    PostgreSQL notices within half a minute when the machine of a reader is gone.
    """
    await connection.execute(
        "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
    )
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", key))


async def reading_place(connection: asyncpg.Connection, job_id: UUID) -> tuple[Job, int, int] | None:
    """A job that is to be read, and how many chunks and rows of it are; None where there is nothing to be read any more."""
    row = await connection.fetchrow(_PLACE, job_id)
    return None if row is None else (_job(row), row["read_chunks"], row["read_rows"])


_PLACE = f"SELECT {_COLUMNS}, read_chunks, read_rows FROM jobs WHERE id = $1 AND state = 'running' AND NOT read"  # noqa: S608  text of this file


async def add_chunk(connection: asyncpg.Connection, job_id: UUID, number: int, rows: int, content: bytes) -> bool:
    """Store the chunk that follows those that are read; returns whether the job is still running."""
    return await connection.fetchval(_ADD_CHUNK, job_id, number, rows, content) is not None


_ADD_CHUNK = """
WITH job AS (
    UPDATE jobs SET read_rows = read_rows + $3, read_chunks = $2 + 1
     WHERE id = $1 AND state = 'running' AND read_chunks = $2 RETURNING id
)
INSERT INTO job_chunks (job_id, number, rows, content) SELECT id, $2, $3, $4 FROM job RETURNING job_id
"""


async def finish_reading(connection: asyncpg.Connection, job_id: UUID, layout: Layout) -> None:
    """The job has all its chunks."""
    await connection.execute(
        "UPDATE jobs SET read = true, layout = $2 WHERE id = $1", job_id, json.dumps(asdict(layout))
    )


async def claim(connection: asyncpg.Connection, loaded: Sequence[tuple[str, str]]) -> ClaimedChunk | None:
    """A chunk to compute, of a job whose taxonomy is `loaded`, for this transaction alone.

    The first chunks of all jobs come first, so that a short job does not wait for a long one.
    """
    names, versions = [name for name, _ in loaded], [version for _, version in loaded]
    row = await connection.fetchrow(_CLAIM, names, versions)
    return None if row is None else ClaimedChunk(_job(row), row["number"], row["content"])


async def hold(connection: asyncpg.Connection) -> None:
    """Show PostgreSQL that the transaction goes on; after a minute without that, others get what it has claimed."""
    await connection.execute("SELECT 1")


_CLAIM = f"""
SELECT {", ".join(f"j.{column}" for column in _COLUMNS.split(", "))}, c.number, c.content
  FROM job_chunks c JOIN jobs j ON j.id = c.job_id
 WHERE c.done_at IS NULL AND j.state = 'running' AND (j.taxonomy, j.version) IN (SELECT * FROM unnest($1::text[], $2::text[]))
 ORDER BY c.number, j.created_at LIMIT 1 FOR UPDATE OF c SKIP LOCKED
"""  # noqa: S608  text of this file


async def answers(connection: asyncpg.Connection, job_id: UUID, digests: Sequence[bytes]) -> dict[bytes, Outcome]:
    """The answers that a job has already."""
    rows = await connection.fetch(_ANSWERS, job_id, digests)
    return {row["digest"]: Outcome(*json.loads(row["answer"])) for row in rows}


_ANSWERS = "SELECT digest, answer FROM job_answers WHERE job_id = $1 AND digest = ANY($2)"


async def add_answers(connection: asyncpg.Connection, job_id: UUID, found: Mapping[bytes, Outcome]) -> None:
    """Keep answers for the other chunks. They are written in one order, so that two workers cannot wait for each other."""
    ordered = sorted(found.items())
    values = [json.dumps(outcome.members) for _, outcome in ordered]
    await connection.execute(_ADD_ANSWERS, job_id, [digest for digest, _ in ordered], values)


_ADD_ANSWERS = """
INSERT INTO job_answers (job_id, digest, answer) SELECT $1, * FROM unnest($2::bytea[], $3::text[])
ON CONFLICT DO NOTHING
"""


async def finish_chunk(
    connection: asyncpg.Connection, chunk: ClaimedChunk, results: bytes, failures: Sequence[RowError]
) -> None:
    """Store the results of a claimed chunk."""
    shown = json.dumps([[failure.row, failure.error] for failure in failures[:MAX_ERRORS]])
    await connection.execute(_FINISH_CHUNK, chunk.job.id, chunk.number, results, len(failures), shown)


_FINISH_CHUNK = """
UPDATE job_chunks SET results = $3, failed = $4, errors = $5, done_at = clock_timestamp() WHERE job_id = $1 AND number = $2
"""


async def count_attempt(connection: asyncpg.Connection, chunk: ClaimedChunk) -> int:
    """Record that a chunk could not be computed; returns how often that was."""
    return int(await connection.fetchval(_COUNT_ATTEMPT, chunk.job.id, chunk.number))


_COUNT_ATTEMPT = "UPDATE job_chunks SET attempts = attempts + 1 WHERE job_id = $1 AND number = $2 RETURNING attempts"


async def finish_jobs(connection: asyncpg.Connection) -> list[tuple[UUID, Owner]]:
    """End the jobs whose chunks are all computed; returns them."""
    return [(row["id"], Owner(row["tenant"], row["subject"])) for row in await connection.fetch(_FINISH_JOBS)]


_FINISH_JOBS = """
UPDATE jobs SET state = 'done', ended_at = clock_timestamp()
 WHERE state = 'running' AND read
   AND NOT EXISTS (SELECT FROM job_chunks c WHERE c.job_id = jobs.id AND c.done_at IS NULL)
RETURNING id, tenant, subject
"""


async def finished_chunks(connection: asyncpg.Connection, job_id: UUID, after: int, limit: int) -> list[FinishedChunk]:
    """Chunks of a job that is done, those after a number, in order."""
    rows = await connection.fetch(_FINISHED, job_id, after, limit)
    return [FinishedChunk(row["number"], row["content"], row["results"]) for row in rows]


_FINISHED = """
SELECT number, content, results FROM job_chunks WHERE job_id = $1 AND number > $2 ORDER BY number LIMIT $3
"""


async def sweep(connection: asyncpg.Connection, kept: timedelta) -> None:
    """End jobs whose taxonomy is deleted, and delete what nobody needs any more, each by a statement."""
    await connection.execute(_END_ORPHANS, STARTER_VERSION)
    await connection.execute("DELETE FROM jobs WHERE ended_at < now() - $1::interval", kept)
    for statement in _SWEEP:
        await connection.execute(statement)


_END_ORPHANS = """
UPDATE jobs SET state = 'failed', error = 'The version of the taxonomy was deleted.', ended_at = now()
 WHERE state = 'running' AND version <> $1
   AND NOT EXISTS (SELECT FROM taxonomies t WHERE t.name = jobs.taxonomy AND t.version = jobs.version)
"""


_SWEEP = (
    "DELETE FROM jobs WHERE state = 'receiving' AND created_at < now() - interval '1 day'",
    "DELETE FROM job_parts USING jobs WHERE job_id = jobs.id AND NOT swept AND (read OR ended_at IS NOT NULL)",
    "DELETE FROM job_answers USING jobs WHERE job_id = jobs.id AND NOT swept AND ended_at IS NOT NULL",
    """DELETE FROM job_chunks WHERE (job_id, number) IN (
           SELECT job_id, number FROM job_chunks c JOIN jobs j ON c.job_id = j.id
            WHERE NOT swept AND state IN ('cancelled', 'failed') FOR UPDATE OF c SKIP LOCKED)""",
    "UPDATE jobs SET swept = true WHERE NOT swept AND ended_at < now() - interval '1 hour'",
)
