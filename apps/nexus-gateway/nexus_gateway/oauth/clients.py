"""The clients there are: those of the settings, those in PostgreSQL, and those that a document elsewhere describes."""

from collections.abc import Iterable
from typing import Protocol

from nexus_chassis.unit_of_work import Database
from nexus_gateway.oauth.models import Client, ClientKind, GrantType, hash_secret
from nexus_gateway.oauth.repository import ClientRepository

MCP_CLIENT = "mcp-client"
MCP_SERVER = "mcp-server"
CODE_GRANTS = frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN})
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_PATHS = ("", "/", "/callback", "/oauth/callback", "/oauth/callback/debug")


class Documents(Protocol):
    """Client ID metadata documents."""

    async def find(self, client_id: str) -> Client | None:
        """The client that the document at this address describes; None unless the id is such an address."""


class Clients:
    """Finds clients by id. `built_in` come first; `documents` None means that none are fetched."""

    def __init__(self, database: Database, built_in: Iterable[Client], documents: Documents | None) -> None:
        self._database = database
        self._stored = ClientRepository()
        self._built_in = {client.id: client for client in built_in}
        self._documents = documents

    async def find(self, client_id: str) -> Client | None:
        """The client of that id; raises DatabaseUnavailableError, or InvalidClientDocumentError."""
        if (client := self._built_in.get(client_id)) is not None:
            return client
        if "\0" in client_id:
            return None
        if ":" in client_id:  # no stored client has one in its id
            return await self._documents.find(client_id) if self._documents else None
        async with self._database.read() as connection:
            return await self._stored.find(connection, client_id)


def service_client(client_id: str, secret: str, audiences: Iterable[str]) -> Client:
    """The service that calls others on behalf of its callers, with its secret file."""
    return Client(
        id=client_id,
        name=client_id,
        kind=ClientKind.CONFIDENTIAL,
        secret_hash=hash_secret(secret),
        grant_types=frozenset({GrantType.CLIENT_CREDENTIALS, GrantType.TOKEN_EXCHANGE}),
        scopes=frozenset({"data:read", "classify"}),
        audiences=frozenset(audiences),
    )


def mcp_client(scopes: frozenset[str]) -> Client:
    """The public client of MCP clients on the user's own computer that cannot register one of their own."""
    return Client(
        id=MCP_CLIENT,
        name="An MCP client on your computer",
        kind=ClientKind.PUBLIC,
        redirect_uris=tuple(f"http://{host}{path}" for host in _HOSTS for path in _PATHS),
        grant_types=CODE_GRANTS,
        scopes=scopes,
        audiences=frozenset({MCP_SERVER}),
    )
