"""Users in PostgreSQL."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from nexus_gateway.unavailable import postgres_may_be_away


@dataclass(frozen=True)
class User:
    """A person who can sign in."""

    id: UUID
    username: str
    password_hash: str
    scopes: frozenset[str]


class UserRepository:
    """The table `users`. Each method raises Problem 503 while the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def by_username(self, username: str) -> User | None:
        """The user of that name."""
        with postgres_may_be_away():
            row = await self._pool.fetchrow(
                "SELECT id, username, password_hash, scopes FROM users WHERE username = $1", username
            )
        return _user(row) if row else None

    async def by_id(self, user: UUID) -> User | None:
        """The user of that id."""
        with postgres_may_be_away():
            row = await self._pool.fetchrow("SELECT id, username, password_hash, scopes FROM users WHERE id = $1", user)
        return _user(row) if row else None

    async def put(self, username: str, password_hash: str, scopes: Iterable[str]) -> None:
        """Create the user, or give the existing one this password and these scopes."""
        with postgres_may_be_away():
            await self._pool.execute(
                """
                INSERT INTO users (username, password_hash, scopes) VALUES ($1, $2, $3)
                ON CONFLICT (username) DO UPDATE
                SET password_hash = excluded.password_hash, scopes = excluded.scopes, password_changed_at = now()
                """,
                username,
                password_hash,
                sorted(scopes),
            )

    async def replace_hash(self, user: UUID, password_hash: str) -> None:
        """Store a new hash of an unchanged password."""
        with postgres_may_be_away():
            await self._pool.execute("UPDATE users SET password_hash = $2 WHERE id = $1", user, password_hash)


def _user(row: asyncpg.Record) -> User:
    return User(row["id"], row["username"], row["password_hash"], frozenset(row["scopes"]))
