"""Users in PostgreSQL."""

from uuid import UUID

import asyncpg

from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.users.models import Login

_LOGIN = """
SELECT id, username, tenant, roles, disabled, password_hash,
       ARRAY(SELECT unnest(scopes) FROM roles WHERE name = ANY (users.roles)) AS scopes
FROM users
"""


class UserRepository:
    """The table `users`."""

    async def login_by_username(self, connection: asyncpg.Connection, username: str) -> Login | None:
        """What the user of that name signs in with."""
        row = await connection.fetchrow(f"{_LOGIN} WHERE username = $1", username)
        return _login(row) if row else None

    async def login_by_id(self, connection: asyncpg.Connection, user: UUID) -> Login | None:
        """What the user of that id signs in with."""
        row = await connection.fetchrow(f"{_LOGIN} WHERE id = $1", user)
        return _login(row) if row else None

    async def replace_hash(self, connection: asyncpg.Connection, user: UUID, former: str, password_hash: str) -> None:
        """Store a new hash of a password that is still the one with the hash `former`."""
        await connection.execute(
            "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user, former, password_hash
        )

    async def lock_administrators(self, connection: asyncpg.Connection) -> None:
        """Let others who may take an administrator away wait until the transaction ends."""
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('administrators ' || current_schema()))")

    async def has_administrator(self, connection: asyncpg.Connection, tenant: str) -> bool:
        """Whether the tenant has an administrator who may sign in."""
        query = "SELECT EXISTS (SELECT FROM users WHERE tenant = $1 AND roles @> ARRAY[$2] AND NOT disabled)"
        found: bool = await connection.fetchval(query, tenant, ADMIN)
        return found

    async def bootstrap_password(self, connection: asyncpg.Connection, username: str) -> tuple[UUID, str] | None:
        """The user that the gateway itself made, and the hash of the password that it last set for them."""
        row = await connection.fetchrow(
            "SELECT id, bootstrap_password_hash FROM users WHERE username = $1 AND bootstrap_password_hash IS NOT NULL",
            username,
        )
        return (row["id"], row["bootstrap_password_hash"]) if row else None

    async def create_bootstrap(
        self, connection: asyncpg.Connection, username: str, tenant: str, password_hash: str
    ) -> None:
        """Create the administrator that the gateway starts with; one that somebody else made meanwhile stays."""
        await connection.execute(
            """
            INSERT INTO users (username, tenant, roles, password_hash, bootstrap_password_hash)
            VALUES ($1, $2, ARRAY[$3], $4, $4) ON CONFLICT (username) DO NOTHING
            """,
            username,
            tenant,
            ADMIN,
            password_hash,
        )

    async def set_bootstrap_password(self, connection: asyncpg.Connection, user: UUID, password_hash: str) -> None:
        """Set the password to that of a changed secret file."""
        await connection.execute(
            """
            UPDATE users SET password_hash = $2, bootstrap_password_hash = $2, password_changed_at = now()
            WHERE id = $1
            """,
            user,
            password_hash,
        )


def _login(row: asyncpg.Record) -> Login:
    return Login(
        row["id"],
        row["username"],
        row["tenant"],
        frozenset(row["roles"]),
        frozenset(row["scopes"]),
        row["disabled"],
        row["password_hash"],
    )
