"""Clients, as administrators manage them."""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from nexus_chassis.unit_of_work import Database
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.auth.administration import Requester
from nexus_gateway.auth.errors import PlatformOnlyError
from nexus_gateway.oauth.errors import ClientExistsError, InvalidClientError, UnknownClientError
from nexus_gateway.oauth.issuer import GATEWAY
from nexus_gateway.oauth.models import Client, GrantType, hash_secret
from nexus_gateway.oauth.redirect_uris import ACCEPTABLE, is_acceptable
from nexus_gateway.oauth.repository import ClientRepository
from nexus_gateway.pagination import Slice, cut

type EndClient = Callable[[str, int], Awaitable[None]]
"""Ends the sessions of a client, and its own tokens of a lower epoch; raises RedisUnavailableError."""


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that was added; its secret is not stored, and shown this once."""

    client: Client
    secret: str | None


class ClientService:
    """The clients in PostgreSQL.

    `reserved` are ids of the settings' own clients, `scopes` has the scopes that there are, by audience. `end_client` is
    called before a removal is committed, so that there is none without it, and again afterwards, for sessions that began
    meanwhile.
    """

    def __init__(
        self,
        database: Database,
        reserved: frozenset[str],
        scopes: Mapping[str, frozenset[str]],
        changes: ChangeLog,
        end_client: EndClient,
    ) -> None:
        self._database = database
        self._clients = ClientRepository()
        self._reserved = reserved
        self._scopes = scopes
        self._changes = changes
        self._end_client = end_client

    async def add(self, requester: Requester, wanted: Client) -> NewClient:
        """Add a client, with a new secret unless it is public.

        Raises InvalidClientError, ClientExistsError, UnknownClientTenantError, or PlatformOnlyError for a client that
        is not only for the requester's tenant.
        """
        if (only := requester.administered_tenant) not in {None, wanted.tenant}:
            raise PlatformOnlyError
        self._check(wanted)
        secret = None if wanted.is_public else secrets.token_urlsafe(32)
        async with self._database.unit_of_work(tenant=only) as unit:
            client = await self._clients.create(unit.connection, _with_secret(wanted, secret))
            await self._changes.record(unit, requester, "client.create", client.id)
        return NewClient(client, secret)

    def _check(self, client: Client) -> None:
        if client.id in self._reserved:
            raise ClientExistsError(client.id)
        if _is_user_id(client.id):
            raise InvalidClientError("The id of a client cannot be a UUID, as those of users are. Choose another id.")
        audiences = self._scopes.keys() | {GATEWAY}
        if unknown := client.audiences - audiences:
            raise InvalidClientError(f"There is no audience {_list(unknown)}. Use some of {_list(audiences)}.")
        known = frozenset[str]().union(*self._scopes.values())
        if unknown := client.scopes - known:
            raise InvalidClientError(f"There is no scope {_list(unknown)}. Use some of {_list(known)}.")
        if unusable := [uri for uri in client.redirect_uris if not is_acceptable(uri)]:
            raise InvalidClientError(f"The redirect URI {unusable[0]!r:.200} cannot be used. {ACCEPTABLE}")
        _check_grants(client)

    async def page(self, requester: Requester, after: str, limit: int) -> Slice[Client]:
        """The clients that the requester may see whose ids come after `after`."""
        async with self._database.read() as connection:
            found = await self._clients.page(connection, after, limit + 1, only=requester.administered_tenant)
        return cut(found, limit, lambda client: client.id)

    async def get(self, requester: Requester, client_id: str) -> Client:
        """A client that the requester may see; raises UnknownClientError."""
        async with self._database.read() as connection:
            client = await self._clients.find(connection, client_id)
        if client is None or requester.administered_tenant not in {None, client.tenant}:
            raise UnknownClientError(client_id)
        return client

    async def remove(self, requester: Requester, client_id: str) -> None:
        """Remove a client, and end its sessions and tokens. Raises UnknownClientError."""
        ends = (await self.get(requester, client_id)).epoch + 1
        async with self._database.unit_of_work() as unit:
            if not await self._clients.delete(unit.connection, client_id):
                raise UnknownClientError(client_id)
            await self._end_client(client_id, ends)
            await self._changes.record(unit, requester, "client.delete", client_id)
        await self._end_client(client_id, ends)


def _is_user_id(client_id: str) -> bool:
    """Whether tokens of the client could be taken for a user's: both have the id as their subject."""
    try:
        UUID(client_id)
    except ValueError:
        return False
    return True


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
