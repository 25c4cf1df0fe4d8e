"""What the session endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.revocation_stream import RevocationFeed
from nexus_gateway.context import get_context
from nexus_gateway.sessions.service import SessionService


async def get_session_service(connection: HTTPConnection) -> SessionService:
    """The application's session service."""
    return (await get_context(connection)).sessions


async def get_client_address(connection: HTTPConnection) -> str:
    """Address of the peer; the addresses in X-Forwarded-For are not believed, because anybody can send that header."""
    return connection.client.host if connection.client else "unknown"


async def get_revocation_feed(connection: HTTPConnection) -> RevocationFeed:
    """The application's feed of revocations."""
    return (await get_context(connection)).revocation_feed


Sessions = Annotated[SessionService, Depends(get_session_service)]
Feed = Annotated[RevocationFeed, Depends(get_revocation_feed)]
ClientAddress = Annotated[str, Depends(get_client_address)]
