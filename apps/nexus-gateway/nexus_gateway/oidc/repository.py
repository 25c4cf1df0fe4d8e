"""Who is whom at the providers, in PostgreSQL."""

from uuid import UUID

import asyncpg


class IdentityRepository:
    """The table `external_identities`: which user of a tenant a subject of an issuer is."""

    async def find(self, connection: asyncpg.Connection, tenant: str, issuer: str, subject: str) -> UUID | None:
        """The user, and the note that they have signed in."""
        query = """
            UPDATE external_identities SET last_used_at = now()
            WHERE tenant = $1 AND issuer = $2 AND subject = $3 RETURNING user_id
        """
        user: UUID | None = await connection.fetchval(query, tenant, issuer, subject)
        return user

    async def lock(self, connection: asyncpg.Connection, tenant: str, issuer: str, subject: str) -> None:
        """Let other logins of the same subject wait until the transaction ends."""
        query = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
        await connection.execute(query, f"external identity\n{tenant}\n{issuer}\n{subject}")

    async def link(self, connection: asyncpg.Connection, user: UUID, tenant: str, issuer: str, subject: str) -> bool:
        """Keep that the user is that subject; returns False where the user is another subject of the issuer already."""
        query = """
            INSERT INTO external_identities (tenant, issuer, subject, user_id) VALUES ($1, $2, $3, $4)
            ON CONFLICT (user_id, issuer) DO NOTHING RETURNING true
        """
        return await connection.fetchval(query, tenant, issuer, subject, user) is not None
