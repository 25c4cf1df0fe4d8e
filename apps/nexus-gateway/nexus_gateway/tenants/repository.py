"""Tenants in PostgreSQL."""

import asyncpg

from nexus_gateway.tenants.models import Tenant

_PAGE = """
SELECT id, name, extract(epoch FROM created_at)::bigint FROM tenants
WHERE id > $1 AND ($3::text IS NULL OR id = $3) ORDER BY id LIMIT $2
"""
_INSERT = """
INSERT INTO tenants (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING
RETURNING id, name, extract(epoch FROM created_at)::bigint
"""


class TenantRepository:
    """The table `tenants`."""

    async def page(self, connection: asyncpg.Connection, after: str, limit: int, *, only: str | None) -> list[Tenant]:
        """Up to `limit` tenants whose ids come after `after`, all or that one `only`."""
        rows = await connection.fetch(_PAGE, after, limit, only)
        return [Tenant(*row) for row in rows]

    async def create(self, connection: asyncpg.Connection, tenant: str, name: str) -> Tenant | None:
        """The tenant that was created; None where there is one with this id."""
        row = await connection.fetchrow(_INSERT, tenant, name)
        return Tenant(*row) if row else None
