"""What the OAuth endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.context import get_context
from nexus_gateway.oauth.clients import Clients
from nexus_gateway.oauth.grants.token_exchange import TokenExchange
from nexus_gateway.oauth.issuer import TokenIssuer


async def get_issuer(connection: HTTPConnection) -> TokenIssuer:
    """The application's token issuer."""
    return (await get_context(connection)).issuer


async def get_clients(connection: HTTPConnection) -> Clients:
    """The application's OAuth clients."""
    return (await get_context(connection)).clients


async def get_token_exchange(connection: HTTPConnection) -> TokenExchange:
    """The application's token exchange."""
    return (await get_context(connection)).token_exchange


Issuer = Annotated[TokenIssuer, Depends(get_issuer)]
RegisteredClients = Annotated[Clients, Depends(get_clients)]
Exchange = Annotated[TokenExchange, Depends(get_token_exchange)]
