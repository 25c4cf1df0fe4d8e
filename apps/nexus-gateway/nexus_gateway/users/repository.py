"""Users in PostgreSQL."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from nexus_gateway.users.models import Bootstrap, User


class UserRepository:
    """The table `users`."""

    async def by_username(self, connection: asyncpg.Connection, username: str) -> User | None:
        """The user of that name."""
        row = await connection.fetchrow(
            "SELECT id, username, password_hash, scopes FROM users WHERE username = $1", username
        )
        return _user(row) if row else None

    async def bootstrap(self, connection: asyncpg.Connection, username: str) -> Bootstrap | None:
        """What the gateway itself last set for that user, if it exists; others wait until the transaction ends."""
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('bootstrap ' || current_schema()))")
        row = await connection.fetchrow(
            """
            SELECT coalesce(bootstrap_password_hash, password_hash) AS password_hash,
                   coalesce(bootstrap_scopes, scopes) AS scopes
            FROM users WHERE username = $1
            """,
            username,
        )
        return Bootstrap(row["password_hash"], frozenset(row["scopes"])) if row else None

    async def create(
        self, connection: asyncpg.Connection, username: str, password_hash: str, scopes: Iterable[str]
    ) -> None:
        """Create the user that the gateway starts with."""
        await connection.execute(
            """
            INSERT INTO users (username, password_hash, scopes, bootstrap_password_hash, bootstrap_scopes)
            VALUES ($1, $2, $3, $2, $3)
            """,
            username,
            password_hash,
            sorted(scopes),
        )

    async def set_bootstrap_password(self, connection: asyncpg.Connection, username: str, password_hash: str) -> None:
        """Set the password to that of a changed secret file."""
        await connection.execute(
            """
            UPDATE users SET password_hash = $2, bootstrap_password_hash = $2, password_changed_at = now()
            WHERE username = $1
            """,
            username,
            password_hash,
        )

    async def add_bootstrap_scopes(self, connection: asyncpg.Connection, username: str, scopes: Iterable[str]) -> None:
        """Add scopes that the gateway did not know before."""
        await connection.execute(
            """
            UPDATE users
            SET scopes = ARRAY(SELECT DISTINCT unnest(scopes || $2::text[]) ORDER BY 1),
                bootstrap_scopes = coalesce(bootstrap_scopes, scopes) || $2::text[]
            WHERE username = $1
            """,
            username,
            sorted(scopes),
        )

    async def replace_hash(self, connection: asyncpg.Connection, user: UUID, password_hash: str) -> None:
        """Store a new hash of an unchanged password."""
        await connection.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user, password_hash)


def _user(row: asyncpg.Record) -> User:
    return User(row["id"], row["username"], row["password_hash"], frozenset(row["scopes"]))
