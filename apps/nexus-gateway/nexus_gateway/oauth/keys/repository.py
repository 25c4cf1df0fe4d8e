"""The table `signing_keys`."""

import base64

import asyncpg

from nexus_gateway.oauth.keys.models import KeySet, KeyState, StoredKey
from nexus_gateway.oauth.keys.signing_key import SigningKey

_SELECT = """
SELECT t.now, k.* FROM (SELECT now() AS now) t LEFT JOIN signing_keys k ON $1 OR k.state IN ('current', 'next', 'previous')
ORDER BY k.created_at, k.kid
"""


async def lock(connection: asyncpg.Connection) -> None:
    """Let nobody else change the keys until the transaction ends; waits for who does now."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('signing keys ' || current_schema()))")


async def select(connection: asyncpg.Connection, *, ended: bool = False) -> KeySet:
    """The keys in use; with `ended`, also those that were retired or withdrawn."""
    rows = await connection.fetch(_SELECT, ended)
    return KeySet(rows[0]["now"], tuple(_stored(row) for row in rows if row["kid"] is not None))


async def insert(connection: asyncpg.Connection, key: SigningKey, private: str, state: KeyState) -> None:
    """Add a key that is `next` or `current`; `private` is its encrypted form."""
    await connection.execute(
        """
        INSERT INTO signing_keys (kid, state, public_key, private_key, signed_from)
        VALUES ($1, $2, $3, $4, CASE $2 WHEN 'current' THEN now() END)
        """,
        key.kid,
        state,
        base64.urlsafe_b64encode(key.public.public_bytes_raw()).rstrip(b"=").decode(),
        private,
    )


async def promote(connection: asyncpg.Connection, kid: str) -> None:
    """Let the next key sign."""
    await connection.execute("UPDATE signing_keys SET state = 'current', signed_from = now() WHERE kid = $1", kid)


async def stop(connection: asyncpg.Connection, kid: str, state: KeyState) -> None:
    """Let the key sign no more, and forget its private part."""
    await connection.execute(
        """
        UPDATE signing_keys SET state = $2, private_key = NULL,
            signed_until = coalesce(signed_until, CASE WHEN signed_from IS NOT NULL THEN now() END)
        WHERE kid = $1
        """,
        kid,
        state,
    )


def _stored(row: asyncpg.Record) -> StoredKey:
    return StoredKey(
        kid=row["kid"],
        state=KeyState(row["state"]),
        public=row["public_key"],
        private=row["private_key"],
        created=row["created_at"],
        signed_from=row["signed_from"],
        signed_until=row["signed_until"],
    )
