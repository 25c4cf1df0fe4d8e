"""The answers to requests with a key, in PostgreSQL. They commit with what the requests did."""

import json

import asyncpg
from pydantic_core import to_json

from dataflow_service.idempotency.models import Answer, Attempt, Kept, StreamAttempt

_KEPT = "interval '24 hours'"
_DELETED = 10  # expired keys that a new one makes room for: more than one, so that they become fewer


async def lock(connection: asyncpg.Connection, attempt: Attempt | StreamAttempt) -> bool:
    """Become the only request with the key, until the transaction ends; returns whether no other one is."""
    return bool(await connection.fetchval(_LOCK, attempt.subject, attempt.key))


_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(concat_ws(E'\\n', 'idempotency', current_schema(), $1::text, $2::text), 0))"


async def find(connection: asyncpg.Connection, attempt: Attempt | StreamAttempt) -> Kept | None:
    """Return what is kept of an earlier request with the key, or None.

    It is a statement after `lock`: only then does it see what the holder of the lock before has committed.
    """
    row = await connection.fetchrow(_FIND, attempt.subject, attempt.key)
    if row is None:
        return None
    return Kept(row["digest"], Answer(row["body"], row["status"], json.loads(row["headers"])))


_FIND = f"""
SELECT digest, status, headers, body FROM idempotency_keys
 WHERE subject = $1 AND key = $2 AND at > now() - {_KEPT}
"""  # noqa: S608 - text of this file


async def store(connection: asyncpg.Connection, attempt: Attempt | StreamAttempt, answer: Answer) -> None:
    """Keep the answer for those who repeat the request, and delete some that nobody can ask for any more."""
    headers = to_json(answer.headers).decode()
    await connection.execute(
        _STORE, attempt.subject, attempt.key, attempt.digest, answer.status, headers, answer.body, _DELETED
    )


_STORE = f"""
WITH expired AS MATERIALIZED (
    SELECT subject, key FROM idempotency_keys
     WHERE at <= now() - {_KEPT} AND (subject, key) <> ($1, $2) ORDER BY at LIMIT $7 FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM idempotency_keys AS old USING expired WHERE old.subject = expired.subject AND old.key = expired.key
)
INSERT INTO idempotency_keys (subject, key, digest, status, headers, body) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (subject, key) DO UPDATE
   SET at = EXCLUDED.at, digest = EXCLUDED.digest, status = EXCLUDED.status, headers = EXCLUDED.headers, body = EXCLUDED.body
"""  # noqa: S608 - text of this file
