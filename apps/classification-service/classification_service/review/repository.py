"""The review queue in PostgreSQL."""

import json
from collections.abc import Sequence

import asyncpg

from classification_service.review.models import Place, QueuedRow, Scope, Uncertain


async def put(connection: asyncpg.Connection, scope: Scope, rows: Sequence[Uncertain], generation: int) -> None:
    """Add rows whose keys differ; one that is there already has the new answer, and counts once more."""
    await connection.execute(
        _PUT,
        *scope,
        generation,
        [row.key for row in rows],
        [json.dumps(row.item) for row in rows],
        [row.code for row in rows],
        [row.confidence for row in rows],
        [row.certainty for row in rows],
        [json.dumps(row.candidates) for row in rows],
        [row.model_version for row in rows],
        [row.times for row in rows],
    )


_PUT = """
INSERT INTO review_rows
    (taxonomy, version, tenant, generation, key, item, code, confidence, certainty, candidates, model_version, times)
SELECT $1, $2, $3, $4, new.*
  FROM unnest($5::bytea[], $6::json[], $7::text[], $8::real[], $9::real[], $10::jsonb[], $11::text[], $12::int[]) AS new
 ORDER BY 5
ON CONFLICT (taxonomy, version, tenant, key) DO UPDATE
   SET generation = EXCLUDED.generation, item = EXCLUDED.item, code = EXCLUDED.code, confidence = EXCLUDED.confidence,
       certainty = EXCLUDED.certainty, candidates = EXCLUDED.candidates, model_version = EXCLUDED.model_version, last_asked_at = now(),
       times = review_rows.times + EXCLUDED.times
"""


async def close(connection: asyncpg.Connection, scope: Scope, keys: Sequence[bytes]) -> None:
    """Remove the rows that were decided."""
    await connection.execute(_CLOSE, *scope, list(keys))


_CLOSE = "DELETE FROM review_rows WHERE taxonomy = $1 AND version = $2 AND tenant = $3 AND key = ANY($4::bytea[])"


async def page(connection: asyncpg.Connection, scope: Scope, after: Place, limit: int) -> list[QueuedRow]:
    """The rows after a place, the most useful first."""
    return [_row(row) for row in await connection.fetch(_PAGE, *scope, after.gain, after.id, limit)]


_COLUMNS = "id, item, code, confidence, candidates, model_version, times, gain"

_PAGE = f"""
SELECT {_COLUMNS} FROM review_rows
 WHERE taxonomy = $1 AND version = $2 AND tenant = $3 AND gain <= $4 AND (gain < $4 OR id > $5)
 ORDER BY gain DESC, id LIMIT $6
"""  # noqa: S608  text of this file


async def count(connection: asyncpg.Connection, scope: Scope) -> int:
    """How many rows there are."""
    return int(await connection.fetchval(_COUNT, *scope))


_COUNT = "SELECT count(*) FROM review_rows WHERE taxonomy = $1 AND version = $2 AND tenant = $3"


async def counts(connection: asyncpg.Connection, scopes: Sequence[Scope]) -> list[int]:
    """How many rows there are in each of these scopes."""
    columns = [[scope[place] for scope in scopes] for place in range(len(Scope._fields))]
    return [row["rows"] for row in await connection.fetch(_COUNTS, *columns)]


_COUNTS = """
SELECT (SELECT count(*) FROM review_rows r WHERE r.taxonomy = s.taxonomy AND r.version = s.version AND r.tenant = s.tenant) AS rows
  FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS s (taxonomy, version, tenant, place) ORDER BY place
"""


async def claim_stale(
    connection: asyncpg.Connection, taxonomy: str, version: str, limit: int
) -> tuple[int, str, list[QueuedRow]] | None:
    """Rows of one tenant whose answers are older than the latest correction, which nobody else has until the transaction ends.

    Returns the generation that they are to have, and the tenant; None where there are no such rows.
    """
    rows = await connection.fetch(_STALE, taxonomy, version, limit)
    if not rows:
        return None
    tenant = rows[0]["tenant"]
    return rows[0]["latest"], tenant, [_row(row) for row in rows if row["tenant"] == tenant]


_STALE = f"""
SELECT {_COLUMNS}, tenant, label_generations.generation AS latest FROM review_rows JOIN label_generations USING (taxonomy, version)
 WHERE taxonomy = $1 AND version = $2 AND review_rows.generation < label_generations.generation
 ORDER BY review_rows.generation, gain DESC LIMIT $3 FOR UPDATE OF review_rows SKIP LOCKED
"""  # noqa: S608  text of this file


async def rescore(
    connection: asyncpg.Connection, rows: Sequence[tuple[int, Uncertain]], settled: Sequence[int], generation: int
) -> None:
    """Replace the answers of rows, by their ids, and remove those that are `settled`."""
    await connection.execute("DELETE FROM review_rows WHERE id = ANY($1::bigint[])", list(settled))
    await connection.execute(
        _RESCORE,
        generation,
        [number for number, _ in rows],
        [row.code for _, row in rows],
        [row.confidence for _, row in rows],
        [row.certainty for _, row in rows],
        [json.dumps(row.candidates) for _, row in rows],
        [row.model_version for _, row in rows],
    )


_RESCORE = """
UPDATE review_rows
   SET generation = $1, code = new.code, confidence = new.confidence, certainty = new.certainty,
       candidates = new.candidates, model_version = new.model_version
  FROM unnest($2::bigint[], $3::text[], $4::real[], $5::real[], $6::jsonb[], $7::text[])
       AS new (id, code, confidence, certainty, candidates, model_version)
 WHERE review_rows.id = new.id
"""


def _row(row: asyncpg.Record) -> QueuedRow:
    return QueuedRow(
        id=row["id"],
        item=json.loads(row["item"]),
        code=row["code"],
        confidence=row["confidence"],
        candidates=[(code, confidence) for code, confidence in json.loads(row["candidates"])],
        model_version=row["model_version"],
        times=row["times"],
        gain=row["gain"],
    )
