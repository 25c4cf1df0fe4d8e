"""Users in PostgreSQL."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.users.models import Login, NewUser, User

_LOGIN = """
SELECT id, username, tenant, roles, disabled, password_hash, version,
       ARRAY(SELECT unnest(scopes) FROM roles WHERE name = ANY (users.roles)) AS scopes
FROM users
"""
_USER = """
SELECT id, username, tenant, roles, email, disabled, password_hash IS NOT NULL AS has_password, version,
       extract(epoch FROM created_at)::bigint AS created_at, extract(epoch FROM updated_at)::bigint AS updated_at,
       extract(epoch FROM password_changed_at)::bigint AS password_changed_at
FROM users
"""
_OF_TENANT = "($2::text IS NULL OR tenant = $2)"


class UserRepository:
    """The table `users`."""

    async def page(self, connection: asyncpg.Connection, after: str, limit: int, *, tenant: str | None) -> list[User]:
        """Up to `limit` users whose names come after `after`, of all tenants or that one."""
        query = f"{_USER} WHERE username > $1 AND {_OF_TENANT} ORDER BY username LIMIT $3"
        return [User(**row) for row in await connection.fetch(query, after, tenant, limit)]

    async def by_id(self, connection: asyncpg.Connection, user: UUID, *, tenant: str | None = None) -> User | None:
        """The user with this id, if they belong to the tenant."""
        return _user(await connection.fetchrow(f"{_USER} WHERE id = $1 AND {_OF_TENANT}", user, tenant))

    async def lock(self, connection: asyncpg.Connection, user: UUID, *, tenant: str | None) -> User | None:
        """As `by_id`; others who change the user wait until the transaction ends."""
        return _user(await connection.fetchrow(f"{_USER} WHERE id = $1 AND {_OF_TENANT} FOR UPDATE", user, tenant))

    async def by_username(self, connection: asyncpg.Connection, username: str) -> User | None:
        """The user of that name."""
        return _user(await connection.fetchrow(f"{_USER} WHERE username = $1", username))

    async def by_email(self, connection: asyncpg.Connection, tenant: str, email: str) -> list[User]:
        """Up to two users of the tenant with that e-mail address, upper and lower case alike."""
        query = f"{_USER} WHERE tenant = $1 AND lower(email) = lower($2) LIMIT 2"
        return [User(**row) for row in await connection.fetch(query, tenant, email)]

    async def create(
        self, connection: asyncpg.Connection, new: NewUser, tenant: str, password_hash: str | None
    ) -> User | None:
        """The user that was created; None where the name is taken. Raises ForeignKeyViolationError without the tenant."""
        query = """
            INSERT INTO users (username, tenant, roles, email, password_hash) VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (username) DO NOTHING RETURNING id
        """
        user = await connection.fetchval(query, new.username, tenant, sorted(new.roles), new.email, password_hash)
        return None if user is None else await self.by_id(connection, user)

    async def update(self, connection: asyncpg.Connection, user: User) -> None:
        """Store the roles, the e-mail address and whether the user is disabled."""
        query = """
            UPDATE users SET roles = $2, email = $3, disabled = $4, version = version + 1, updated_at = now()
            WHERE id = $1
        """
        await connection.execute(query, user.id, user.roles, user.email, user.disabled)

    async def remove(self, connection: asyncpg.Connection, user: UUID) -> None:
        """Remove the user."""
        await connection.execute("DELETE FROM users WHERE id = $1", user)

    async def lock_roles(self, connection: asyncpg.Connection, names: Iterable[str]) -> set[str]:
        """Those of the names that roles have; who changes or removes these waits until the transaction ends."""
        rows = await connection.fetch("SELECT name FROM roles WHERE name = ANY ($1) FOR SHARE", sorted(names))
        return {row["name"] for row in rows}

    async def lock_administrators(self, connection: asyncpg.Connection) -> None:
        """Let others who may take an administrator away wait until the transaction ends."""
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('administrators ' || current_schema()))")

    async def has_administrator(self, connection: asyncpg.Connection, tenant: str) -> bool:
        """Whether the tenant has an enabled administrator."""
        query = "SELECT EXISTS (SELECT FROM users WHERE tenant = $1 AND roles @> ARRAY[$2] AND NOT disabled)"
        found: bool = await connection.fetchval(query, tenant, ADMIN)
        return found

    async def login_by_username(self, connection: asyncpg.Connection, username: str) -> Login | None:
        """What the user of that name signs in with."""
        return _login(await connection.fetchrow(f"{_LOGIN} WHERE username = $1", username))

    async def login_by_id(self, connection: asyncpg.Connection, user: UUID) -> Login | None:
        """What the user of that id signs in with."""
        return _login(await connection.fetchrow(f"{_LOGIN} WHERE id = $1", user))

    async def replace_hash(self, connection: asyncpg.Connection, user: UUID, former: str, password_hash: str) -> None:
        """Store a new hash of a password that is still the one with the hash `former`."""
        await connection.execute(
            "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2", user, former, password_hash
        )

    async def set_password(
        self, connection: asyncpg.Connection, user: UUID, former: str | None, password_hash: str
    ) -> bool:
        """Set another password in place of the one with the hash `former`; returns whether it was still that one."""
        query = """
            UPDATE users
            SET password_hash = $3, password_changed_at = now(), version = version + 1, updated_at = now()
            WHERE id = $1 AND password_hash IS NOT DISTINCT FROM $2 RETURNING true
        """
        return await connection.fetchval(query, user, former, password_hash) is not None

    async def bootstrap_password(self, connection: asyncpg.Connection, username: str) -> tuple[UUID, str] | None:
        """The user that the gateway itself made, and the hash of the password that it last set for them."""
        row = await connection.fetchrow(
            "SELECT id, bootstrap_password_hash FROM users WHERE username = $1 AND bootstrap_password_hash IS NOT NULL",
            username,
        )
        return (row["id"], row["bootstrap_password_hash"]) if row else None

    async def create_bootstrap(
        self, connection: asyncpg.Connection, username: str, tenant: str, password_hash: str
    ) -> bool:
        """Create the administrator that the gateway starts with; returns False where the name is taken."""
        query = """
            INSERT INTO users (username, tenant, roles, password_hash, bootstrap_password_hash)
            VALUES ($1, $2, ARRAY[$3], $4, $4) ON CONFLICT (username) DO NOTHING RETURNING true
        """
        return await connection.fetchval(query, username, tenant, ADMIN, password_hash) is not None

    async def set_bootstrap_password(self, connection: asyncpg.Connection, user: UUID, password_hash: str) -> None:
        """Set the password to that of a changed secret file."""
        await connection.execute(
            """
            UPDATE users SET password_hash = $2, bootstrap_password_hash = $2, password_changed_at = now(),
                             version = version + 1, updated_at = now()
            WHERE id = $1
            """,
            user,
            password_hash,
        )


def _user(row: asyncpg.Record | None) -> User | None:
    return None if row is None else User(**row)


def _login(row: asyncpg.Record | None) -> Login | None:
    if row is None:
        return None
    return Login(
        row["id"],
        row["username"],
        row["tenant"],
        row["roles"],
        frozenset(row["scopes"]),
        row["disabled"],
        row["password_hash"],
        row["version"],
    )
