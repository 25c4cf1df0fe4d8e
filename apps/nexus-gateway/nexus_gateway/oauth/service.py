"""Clients, as administrators manage them."""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from nexus_chassis.tokens import Principal
from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.oauth.errors import ClientExistsError, InvalidClientError, UnknownClientError
from nexus_gateway.oauth.issuer import GATEWAY
from nexus_gateway.oauth.models import Client, GrantType, hash_secret
from nexus_gateway.oauth.redirect_uris import ACCEPTABLE, is_acceptable
from nexus_gateway.oauth.repository import ClientRepository


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that was added; its secret is not stored, and shown this once."""

    client: Client
    secret: str | None


class ClientService:
    """The clients in PostgreSQL.

    `reserved` are ids of the settings' own clients, `scopes` has the scopes that there are, by audience.
    """

    def __init__(
        self,
        database: Database,
        reserved: frozenset[str],
        scopes: Mapping[str, frozenset[str]],
        audit: AuditWriter,
    ) -> None:
        self._database = database
        self._clients = ClientRepository()
        self._reserved = reserved
        self._scopes = scopes
        self._audit = audit

    async def add(self, wanted: Client, principal: Principal, address: str) -> NewClient:
        """Add a client, with a new secret unless it is public.

        Raises InvalidClientError, ClientExistsError or UnknownTenantError.
        """
        self._check(wanted)
        secret = None if wanted.is_public else secrets.token_urlsafe(32)
        async with self._database.unit_of_work(principal) as unit:
            client = await self._clients.create(unit.connection, _with_secret(wanted, secret))
            await self._record(unit, principal, address, "client.create", client.id)
        return NewClient(client, secret)

    def _check(self, client: Client) -> None:
        if client.id in self._reserved:
            raise ClientExistsError(client.id)
        audiences = self._scopes.keys() | {GATEWAY}
        if unknown := client.audiences - audiences:
            raise InvalidClientError(f"There is no audience {_list(unknown)}. Use some of {_list(audiences)}.")
        known = frozenset[str]().union(*self._scopes.values())
        if unknown := client.scopes - known:
            raise InvalidClientError(f"There is no scope {_list(unknown)}. Use some of {_list(known)}.")
        if unusable := [uri for uri in client.redirect_uris if not is_acceptable(uri)]:
            raise InvalidClientError(f"The redirect URI {unusable[0]!r:.200} cannot be used. {ACCEPTABLE}")
        _check_grants(client)

    async def page(self, after: str, limit: int) -> list[Client]:
        """The first clients whose ids come after `after`."""
        async with self._database.read() as connection:
            return await self._clients.page(connection, after, limit)

    async def get(self, client_id: str) -> Client:
        """The client of that id; raises UnknownClientError."""
        async with self._database.read() as connection:
            client = await self._clients.find(connection, client_id)
        if client is None:
            raise UnknownClientError(client_id)
        return client

    async def remove(self, client_id: str, principal: Principal, address: str) -> None:
        """Remove a client: it receives no more tokens, and its sessions are not refreshed. Raises UnknownClientError."""
        async with self._database.unit_of_work(principal) as unit:
            if not await self._clients.delete(unit.connection, client_id):
                raise UnknownClientError(client_id)
            await self._record(unit, principal, address, "client.delete", client_id)

    async def _record(self, unit: UnitOfWork, principal: Principal, address: str, action: str, client_id: str) -> None:
        """Comes last in a transaction, because others who record wait for its end."""
        await self._audit.record_in(unit, AuditEvent.by(principal, action, target=client_id, address=address))


def _check_grants(client: Client) -> None:
    needs_redirect = GrantType.AUTHORIZATION_CODE in client.grant_types
    if needs_redirect and not client.redirect_uris:
        raise InvalidClientError("The grant authorization_code needs a redirect URI.")
    alone = client.grant_types & {GrantType.CLIENT_CREDENTIALS, GrantType.TOKEN_EXCHANGE}
    if client.is_public and alone:
        raise InvalidClientError(f"A public client cannot use {_list(alone)}. Make it confidential.")
    if GrantType.REFRESH_TOKEN in client.grant_types and not needs_redirect:
        raise InvalidClientError("The grant refresh_token needs authorization_code as well.")


def _with_secret(client: Client, secret: str | None) -> Client:
    return client if secret is None else replace(client, secret_hash=hash_secret(secret))


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
