"""The parts of imports in PostgreSQL. They commit with the rows that were in them."""

import json
from collections.abc import Mapping
from typing import Any

import asyncpg
from pydantic_core import to_json

from dataflow_service.imports.models import Import, Part

_KEPT = "interval '7 days'"
_DELETED = 10  # expired parts that a new one makes room for: more than one, so that they become fewer
_COLUMNS = "part, at, sent_as, size, sha256, counts::text"
_OF_IMPORT = f"tenant = $1 AND subject = $2 AND model = $3 AND import_id = $4 AND at > now() - {_KEPT}"


async def lock(connection: asyncpg.Connection, of: Import, part: int) -> bool:
    """Become the only request that writes the part, until the transaction ends; returns whether no other one does."""
    return bool(await connection.fetchval(_LOCK, [*of.key, str(part)]))


_LOCK = """
SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(E'\\n', 'import', current_schema(), array_to_json($1::text[])), 0))
"""


async def find(connection: asyncpg.Connection, of: Import, part: int) -> Part | None:
    """Return a part that is in, or None; a statement after `lock`, so that it sees what the holder before has committed."""
    row = await connection.fetchrow(_FIND, *of.key, part)
    return None if row is None else _part(row)


_FIND = f"SELECT {_COLUMNS} FROM import_parts WHERE {_OF_IMPORT} AND part = $5"  # noqa: S608 - text of this file


async def store(
    connection: asyncpg.Connection,
    of: Import,
    part: int,
    *,
    sent_as: str,
    size: int,
    sha256: bytes,
    counts: Mapping[str, int],
) -> Part:
    """Record that a part is in, and delete some parts that nobody can send again any more."""
    arguments = [*of.key, part, sent_as, size, sha256, to_json(counts).decode(), _DELETED]
    return _part(await connection.fetchrow(_STORE, *arguments))


_STORE = f"""
WITH expired AS MATERIALIZED (
    SELECT tenant, subject, model, import_id, part FROM import_parts
     WHERE at <= now() - {_KEPT} AND (tenant, subject, model, import_id, part) <> ($1, $2, $3, $4, $5)
     ORDER BY at LIMIT $10 FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM import_parts AS old USING expired
     WHERE (old.tenant, old.subject, old.model, old.import_id, old.part)
         = (expired.tenant, expired.subject, expired.model, expired.import_id, expired.part)
)
INSERT INTO import_parts (tenant, subject, model, import_id, part, sent_as, size, sha256, counts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (tenant, subject, model, import_id, part) DO UPDATE
   SET at = EXCLUDED.at, sent_as = EXCLUDED.sent_as, size = EXCLUDED.size, sha256 = EXCLUDED.sha256, counts = EXCLUDED.counts
RETURNING {_COLUMNS}
"""  # noqa: S608 - text of this file


async def read_page(connection: asyncpg.Connection, of: Import, after: int, limit: int) -> list[Part]:
    """Return up to `limit` parts that are in, those after a number, in order."""
    return [_part(row) for row in await connection.fetch(_PAGE, *of.key, after, limit)]


_PAGE = f"SELECT {_COLUMNS} FROM import_parts WHERE {_OF_IMPORT} AND part > $5 ORDER BY part LIMIT $6"  # noqa: S608 - text of this file


def _part(row: Any) -> Part:  # noqa: ANN401 - asyncpg's record
    return Part(row["part"], row["at"], row["sent_as"], row["size"], row["sha256"], json.loads(row["counts"]))
