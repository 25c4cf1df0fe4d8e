"""Roles in PostgreSQL."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from nexus_gateway.roles.models import Role


class RoleRepository:
    """The table `roles`, and which users have which role."""

    async def page(self, connection: asyncpg.Connection, after: str, limit: int) -> list[Role]:
        """Up to `limit` roles whose names come after `after`."""
        rows = await connection.fetch(
            "SELECT name, scopes FROM roles WHERE name > $1 ORDER BY name LIMIT $2", after, limit
        )
        return [Role(row["name"], frozenset(row["scopes"])) for row in rows]

    async def put(self, connection: asyncpg.Connection, name: str, scopes: Iterable[str]) -> bool:
        """Set the scopes of a role; returns whether it is new. Who assigns the role meanwhile waits for the end."""
        query = """
            INSERT INTO roles (name, scopes) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET scopes = excluded.scopes RETURNING xmax = 0
        """
        created: bool = await connection.fetchval(query, name, sorted(scopes))
        return created

    async def lock(self, connection: asyncpg.Connection, name: str) -> bool:
        """Whether there is such a role; who assigns it meanwhile waits for the end of the transaction."""
        return await connection.fetchval("SELECT true FROM roles WHERE name = $1 FOR UPDATE", name) is not None

    async def remove(self, connection: asyncpg.Connection, name: str) -> None:
        """Remove a role."""
        await connection.execute("DELETE FROM roles WHERE name = $1", name)

    async def users(self, connection: asyncpg.Connection, name: str) -> list[UUID]:
        """The users that have a role."""
        rows = await connection.fetch("SELECT id FROM users WHERE roles @> ARRAY[$1]", name)
        return [row["id"] for row in rows]
