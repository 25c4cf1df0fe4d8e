"""Runs of training in PostgreSQL."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from classification_service.model_registry.models import Line
from classification_service.taxonomies.models import Node
from classification_service.training_runs.models import Claimed, Labels, Run

_COLUMNS = (
    "id, tenant, taxonomy, version, taxonomy_key, seed, state, share, attempts, labels, generation, model_id, error, "
    "faults, requested_by, created_at, started_at, ended_at"
)
_FETCH_SECONDS = 120.0


def _run(row: asyncpg.Record) -> Run:
    return Run(
        id=row["id"],
        line=Line(row["taxonomy"], row["version"], row["taxonomy_key"], row["tenant"]),
        seed=row["seed"],
        state=row["state"],
        share=row["share"],
        attempts=row["attempts"],
        labels=row["labels"],
        generation=row["generation"],
        model=row["model_id"],
        error=row["error"],
        faults=row["faults"],
        requested_by=row["requested_by"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )


async def lock_tenant(connection: asyncpg.Connection, tenant: str) -> None:
    """Let nobody else begin a run for a tenant until the transaction ends."""
    await connection.execute(_LOCK, tenant)


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', 'train', current_schema(), $1::text), 0))"


async def count_open(connection: asyncpg.Connection, tenant: str) -> int:
    """How many runs of a tenant are not finished."""
    return int(await connection.fetchval(_COUNT_OPEN, tenant))


_COUNT_OPEN = "SELECT count(*) FROM training_runs WHERE tenant = $1 AND state IN ('queued', 'running')"


async def forget(connection: asyncpg.Connection, tenant: str, kept: int) -> None:
    """Forget all but so many runs of a tenant that have ended."""
    await connection.execute(_FORGET, tenant, kept)


_FORGET = """
DELETE FROM training_runs WHERE id IN (
    SELECT id FROM training_runs WHERE tenant = $1 AND ended_at IS NOT NULL ORDER BY created_at DESC, id DESC OFFSET $2)
"""


async def add(connection: asyncpg.Connection, run: UUID, line: Line, seed: int, requested_by: str) -> Run:
    """Queue a run."""
    (row,) = await connection.fetch(_ADD, run, *line, seed, requested_by)
    return _run(row)


_ADD = f"""
INSERT INTO training_runs (id, taxonomy, version, taxonomy_key, tenant, seed, requested_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING {_COLUMNS}
"""  # noqa: S608  text of this file


async def find(connection: asyncpg.Connection, tenant: str, run: UUID) -> Run | None:
    """A run of a tenant."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM training_runs WHERE tenant = $1 AND id = $2", tenant, run)  # noqa: S608  text of this file
    return None if row is None else _run(row)


async def page(connection: asyncpg.Connection, tenant: str, after: UUID | None, limit: int) -> list[Run]:
    """The runs of a tenant, the latest first, those after one."""
    return [_run(row) for row in await connection.fetch(_PAGE, tenant, after, limit)]


_PAGE = f"""
SELECT {_COLUMNS} FROM training_runs
 WHERE tenant = $1
   AND ($2::uuid IS NULL OR (created_at, id) < (SELECT created_at, id FROM training_runs WHERE id = $2))
 ORDER BY created_at DESC, id DESC LIMIT $3
"""  # noqa: S608  text of this file


async def cancel(connection: asyncpg.Connection, tenant: str, run: UUID) -> bool:
    """Cancel a run that is not finished; returns whether it did."""
    return await connection.fetchval(_CANCEL, tenant, run) is not None


_CANCEL = """
UPDATE training_runs SET state = 'cancelled', claim = NULL, ended_at = now()
 WHERE tenant = $1 AND id = $2 AND state IN ('queued', 'running') RETURNING id
"""


async def delete(connection: asyncpg.Connection, tenant: str, run: UUID) -> None:
    """Forget a run that has ended."""
    await connection.execute(
        "DELETE FROM training_runs WHERE tenant = $1 AND id = $2 AND ended_at IS NOT NULL", tenant, run
    )


async def claim(connection: asyncpg.Connection, claim_: str, silence: timedelta, attempts: int) -> Claimed | None:
    """Take up the oldest run that waits, or whose trainer has been silent for so long; None where there is none.

    One that was begun so often already fails.
    """
    await connection.execute(_GIVE_UP, silence, attempts)
    row = await connection.fetchrow(_CLAIM, claim_, silence)
    return None if row is None else Claimed(_run(row), claim_)


_SILENT = "state = 'running' AND beat_at < now() - $1::interval"
_LOST = "format('attempt %s: its trainer has not shown itself since %s', attempts, to_char(beat_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS \"UTC\"'))"
_GIVE_UP = f"""
UPDATE training_runs
   SET state = 'failed', claim = NULL, ended_at = now(), faults = faults || {_LOST},
       error = format('It was begun %s times, and never ended. The last fault: %s.', attempts, {_LOST})
 WHERE {_SILENT} AND attempts >= $2
"""  # noqa: S608  text of this file
_CLAIM = f"""
UPDATE training_runs
   SET state = 'running', claim = $1, beat_at = clock_timestamp(), started_at = now(), share = 0, attempts = attempts + 1,
       faults = CASE WHEN state = 'running' THEN faults || {_LOST} ELSE faults END
 WHERE id = (SELECT id FROM training_runs
              WHERE state = 'queued' OR {_SILENT.replace("$1", "$2")}
              ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING {_COLUMNS}
"""  # noqa: S608  text of this file


async def beat(connection: asyncpg.Connection, claimed: Claimed, share: float) -> bool:
    """Show that a run goes on; returns False where it was cancelled or taken over."""
    return await connection.fetchval(_BEAT, claimed.run.id, claimed.claim, share) is not None


_BEAT = "UPDATE training_runs SET beat_at = clock_timestamp(), share = $3 WHERE id = $1 AND claim = $2 RETURNING id"


async def begin(connection: asyncpg.Connection, claimed: Claimed, labels: Labels) -> None:
    """Record what a run trains on."""
    await connection.execute(_BEGIN, claimed.run.id, claimed.claim, len(labels.examples), labels.generation)


_BEGIN = "UPDATE training_runs SET labels = $3, generation = $4 WHERE id = $1 AND claim = $2"


async def lock(connection: asyncpg.Connection, claimed: Claimed) -> bool:
    """Keep a run from being cancelled or taken over until the transaction ends; returns False where it was already."""
    return await connection.fetchval(_LOCK_RUN, claimed.run.id, claimed.claim) is not None


_LOCK_RUN = "SELECT id FROM training_runs WHERE id = $1 AND claim = $2 FOR UPDATE"


async def finish(connection: asyncpg.Connection, claimed: Claimed, model: str) -> None:
    """The run has made a model."""
    await connection.execute(_FINISH, claimed.run.id, claimed.claim, model)


_FINISH = """
UPDATE training_runs SET state = 'done', share = 1, model_id = $3, claim = NULL, ended_at = clock_timestamp()
 WHERE id = $1 AND claim = $2
"""


async def release(connection: asyncpg.Connection, claimed: Claimed) -> None:
    """Put a run back into the queue, as if it had not been begun."""
    await connection.execute(_RELEASE, claimed.run.id, claimed.claim)


_RELEASE = """
UPDATE training_runs SET state = 'queued', share = 0, claim = NULL, attempts = attempts - 1 WHERE id = $1 AND claim = $2
"""


async def fail(connection: asyncpg.Connection, claimed: Claimed, error: str) -> None:
    """End a run that cannot be done."""
    await connection.execute(_FAIL, claimed.run.id, claimed.claim, error)


_FAIL = """
UPDATE training_runs SET state = 'failed', error = $3, claim = NULL, ended_at = clock_timestamp() WHERE id = $1 AND claim = $2
"""


async def retry(connection: asyncpg.Connection, claimed: Claimed, fault: str, attempts: int) -> None:
    """Put a run back into the queue after a fault, or end it where it was begun so often."""
    await connection.execute(_RETRY, claimed.run.id, claimed.claim, fault, attempts)


_RETRY = """
UPDATE training_runs
   SET faults = faults || format('attempt %s: %s', attempts, $3::text), claim = NULL,
       state = CASE WHEN attempts < $4 THEN 'queued' ELSE 'failed' END,
       ended_at = CASE WHEN attempts < $4 THEN NULL ELSE clock_timestamp() END,
       error = CASE WHEN attempts < $4 THEN NULL ELSE format('It was begun %s times. The last fault: %s', attempts, $3::text) END
 WHERE id = $1 AND claim = $2
"""


async def show(connection: asyncpg.Connection, trainer: str) -> None:
    """A trainer shows itself."""
    await connection.execute(_SHOW, trainer)


_SHOW = """
INSERT INTO trainers (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp()
"""


async def leave(connection: asyncpg.Connection, trainer: str) -> None:
    """A trainer ends; those that were killed long ago are forgotten with it."""
    await connection.execute("DELETE FROM trainers WHERE name = $1 OR seen_at < now() - interval '1 day'", trainer)


async def last_seen(connection: asyncpg.Connection) -> tuple[datetime | None, timedelta | None]:
    """When a trainer has shown itself last, and how long that was ago."""
    row = await connection.fetchrow("SELECT max(seen_at) AS at, now() - max(seen_at) AS ago FROM trainers")
    return (None, None) if row is None else (row["at"], row["ago"])


async def count_trainers(connection: asyncpg.Connection, seconds: float) -> int:
    """How many trainers have shown themselves in the last seconds."""
    return int(await connection.fetchval(_COUNT_TRAINERS, seconds))


_COUNT_TRAINERS = "SELECT count(*) FROM trainers WHERE seen_at > now() - make_interval(secs => $1)"


async def states(connection: asyncpg.Connection) -> dict[str, int]:
    """How many runs are in each state, of all tenants."""
    rows = await connection.fetch("SELECT state, count(*)::int AS runs FROM training_runs GROUP BY state")
    return {row["state"]: row["runs"] for row in rows}


async def labels(connection: asyncpg.Connection, line: Line, limit: int) -> Labels:
    """The labels of a line as of one moment, in an order that does not depend on when they were made.

    Where there are more than `limit`, those are taken that are the newest of their codes.
    """
    rows = await connection.fetch(_LABELS, line.taxonomy, line.version, line.tenant, limit, timeout=_FETCH_SECONDS)
    generation = max((row["generation"] for row in rows), default=0)
    return Labels(generation, [(row["text"], row["code"]) for row in rows])


_LABELS = """
SELECT text, code, generation FROM (
  SELECT key, text, code, generation, row_number() OVER (PARTITION BY code ORDER BY generation DESC, key) AS place
  FROM labels WHERE taxonomy = $1 AND version = $2 AND tenant = $3 ORDER BY place, generation DESC, key LIMIT $4
) AS newest ORDER BY key
"""


async def serving_model(connection: asyncpg.Connection, line: Line) -> str | None:
    """The model that serves."""
    found: str | None = await connection.fetchval(_SERVING, *line)
    return found


_SERVING = (
    "SELECT model_id FROM serving_models WHERE taxonomy = $1 AND version = $2 AND taxonomy_key = $3 AND tenant = $4"
)


async def nodes(connection: asyncpg.Connection, taxonomy: int, first: int, count: int) -> list[Node]:
    """Consecutive codes of an imported version, with their synonyms as examples."""
    rows = await connection.fetch(_NODES, taxonomy, first, first + count)
    return [
        Node(
            row["code"],
            row["level"],
            row["title"],
            row["parent"],
            tuple(row["synonyms"].split("\n")) if row["synonyms"] else (),
        )
        for row in rows
    ]


async def has_vectors(connection: asyncpg.Connection, taxonomy: int, encoder: str, codes: int) -> bool:
    """Whether an imported version of so many codes has all vectors by an encoder."""
    return bool(await connection.fetchval(_HAS_VECTORS, taxonomy, encoder, codes))


_HAS_VECTORS = """
SELECT coalesce(sum(codes), 0) = $3 FROM taxonomy_vectors WHERE taxonomy_id = $1 AND encoder = $2
"""

_NODES = """
SELECT code, level, title, parent, synonyms FROM taxonomy_nodes
 WHERE taxonomy_id = $1 AND position >= $2 AND position < $3 ORDER BY position
"""
