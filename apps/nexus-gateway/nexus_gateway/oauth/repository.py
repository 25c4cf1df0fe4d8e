"""Clients and consents in PostgreSQL."""

from typing import Any

import asyncpg

from nexus_gateway.oauth.errors import ClientExistsError, UnknownClientTenantError
from nexus_gateway.oauth.models import Client, ClientKind, Consent

_COLUMNS = "id, name, kind, secret_hash, redirect_uris, grant_types, scopes, audiences, tenant, trusted, created_at, expires_at"
_VALID = "(expires_at IS NULL OR expires_at > now())"


class ClientRepository:
    """The table `clients`; those that have expired are no longer found."""

    async def find(self, connection: asyncpg.Connection, client_id: str) -> Client | None:
        """The client of that id."""
        query = f"SELECT {_COLUMNS} FROM clients WHERE id = $1 AND {_VALID}"  # noqa: S608  own constants
        row = await connection.fetchrow(query, client_id)
        return _client(row) if row else None

    async def page(self, connection: asyncpg.Connection, after: str, limit: int, *, only: str | None) -> list[Client]:
        """The first clients whose ids come after `after`, those of the tenant `only` where it is given."""
        query = f"""
            SELECT {_COLUMNS} FROM clients
            WHERE id > $1 AND {_VALID} AND ($3::text IS NULL OR tenant = $3) ORDER BY id LIMIT $2
        """  # noqa: S608  own constants
        return [_client(row) for row in await connection.fetch(query, after, limit, only)]

    async def create(self, connection: asyncpg.Connection, client: Client) -> Client:
        """Add the client; raises ClientExistsError or UnknownClientTenantError."""
        query = f"""
            INSERT INTO clients (id, name, kind, secret_hash, redirect_uris, grant_types, scopes, audiences, tenant,
                                 trusted, expires_at)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING {_COLUMNS}
        """  # noqa: S608  own constants
        try:
            row = await connection.fetchrow(query, *_values(client))
        except asyncpg.UniqueViolationError:
            raise ClientExistsError(client.id) from None
        except asyncpg.ForeignKeyViolationError:
            raise UnknownClientTenantError(str(client.tenant)) from None
        if row is None:
            raise AssertionError
        return _client(row)

    async def delete(self, connection: asyncpg.Connection, client_id: str) -> bool:
        """Remove the client and what users granted it; returns whether there was one."""
        await connection.execute("DELETE FROM consents WHERE client_id = $1", client_id)
        return await connection.execute("DELETE FROM clients WHERE id = $1", client_id) == "DELETE 1"

    async def count_registered(self, connection: asyncpg.Connection) -> int:
        """How many clients that registered themselves have not expired; others are removed. One caller at a time."""
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext('registrations ' || current_schema()))")
        await connection.execute("DELETE FROM clients WHERE expires_at <= now()")
        return int(await connection.fetchval("SELECT count(*) FROM clients WHERE expires_at IS NOT NULL"))


class ConsentRepository:
    """The table `consents`."""

    async def covers(self, connection: asyncpg.Connection, consent: Consent) -> bool:
        """Whether the user granted all of these scopes before."""
        query = """
            SELECT scopes @> $4::text[] FROM consents WHERE user_id = $1 AND client_id = $2 AND audience = $3
        """
        return bool(await connection.fetchval(query, *_consent(consent)))

    async def add(self, connection: asyncpg.Connection, consent: Consent) -> None:
        """Keep that the user granted these scopes, on top of those granted before."""
        await connection.execute(
            """
            INSERT INTO consents (user_id, client_id, audience, scopes) VALUES ($1, $2, $3, $4)
            ON CONFLICT (user_id, client_id, audience) DO UPDATE
            SET scopes = ARRAY(SELECT DISTINCT unnest(consents.scopes || excluded.scopes) ORDER BY 1), granted_at = now()
            """,
            *_consent(consent),
        )


def _consent(consent: Consent) -> tuple[Any, ...]:
    return consent.user, consent.client_id, consent.audience, sorted(consent.scopes)


def _values(client: Client) -> tuple[Any, ...]:
    return (
        client.id,
        client.name,
        client.kind,
        client.secret_hash,
        list(client.redirect_uris),
        sorted(client.grant_types),
        sorted(client.scopes),
        sorted(client.audiences),
        client.tenant,
        client.trusted,
        client.expires_at,
    )


def _client(row: asyncpg.Record) -> Client:
    return Client(
        id=row["id"],
        name=row["name"],
        kind=ClientKind(row["kind"]),
        secret_hash=row["secret_hash"],
        redirect_uris=tuple(row["redirect_uris"]),
        grant_types=frozenset(row["grant_types"]),
        scopes=frozenset(row["scopes"]),
        audiences=frozenset(row["audiences"]),
        tenant=row["tenant"],
        trusted=row["trusted"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
