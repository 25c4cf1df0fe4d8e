"""What the OAuth endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.auth.client_address import client_address
from nexus_gateway.context import get_context
from nexus_gateway.oauth.authorization import AuthorizationService
from nexus_gateway.oauth.errors import RegistrationOffError
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.metadata import ServerMetadata
from nexus_gateway.oauth.registration import Registration
from nexus_gateway.oauth.requests import Peer
from nexus_gateway.oauth.service import ClientService
from nexus_gateway.oauth.tokens import TokenService

_MAX_AGENT = 300


async def get_issuer(connection: HTTPConnection) -> TokenIssuer:
    """The application's token issuer."""
    return (await get_context(connection)).issuer


async def get_authorization_service(connection: HTTPConnection) -> AuthorizationService:
    """The application's authorization service."""
    return (await get_context(connection)).oauth.authorization


async def get_token_service(connection: HTTPConnection) -> TokenService:
    """The application's token service."""
    return (await get_context(connection)).oauth.tokens


async def get_client_service(connection: HTTPConnection) -> ClientService:
    """The application's client service."""
    return (await get_context(connection)).administration.clients


async def get_registration(connection: HTTPConnection) -> Registration:
    """The application's registration of clients; raises RegistrationOffError."""
    registration = (await get_context(connection)).oauth.registration
    if registration is None:
        raise RegistrationOffError
    return registration


async def get_metadata(connection: HTTPConnection) -> ServerMetadata:
    """What clients learn of the server."""
    return (await get_context(connection)).oauth.metadata


async def get_peer(connection: HTTPConnection) -> Peer:
    """Who sends the request."""
    return Peer(client_address(connection), connection.headers.get("user-agent", "")[:_MAX_AGENT])


Issuer = Annotated[TokenIssuer, Depends(get_issuer)]
Authorization = Annotated[AuthorizationService, Depends(get_authorization_service)]
Tokens = Annotated[TokenService, Depends(get_token_service)]
Clients = Annotated[ClientService, Depends(get_client_service)]
Registrations = Annotated[Registration, Depends(get_registration)]
Metadata = Annotated[ServerMetadata, Depends(get_metadata)]
RequestPeer = Annotated[Peer, Depends(get_peer)]
