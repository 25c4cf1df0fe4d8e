"""What the session endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.revocation_stream import RevocationFeed
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.dependencies import CurrentPrincipal
from nexus_gateway.auth.scopes import FIRST_PARTY
from nexus_gateway.context import get_context
from nexus_gateway.sessions.errors import FirstPartyOnlyError, NoSessionError
from nexus_gateway.sessions.service import AccessToken, SessionService


async def get_session_service(connection: HTTPConnection) -> SessionService[AccessToken]:
    """The application's session service."""
    return (await get_context(connection)).sessions


async def get_revocation_feed(connection: HTTPConnection) -> RevocationFeed:
    """The application's feed of revocations."""
    return (await get_context(connection)).revocation_feed


async def get_agent(connection: HTTPConnection) -> str:
    """What the client calls itself."""
    return connection.headers.get("user-agent", "")


async def get_own_user(principal: CurrentPrincipal) -> Principal:
    """A user who signed in at the gateway itself, and sends the request without anybody between.

    Raises NoSessionError or FirstPartyOnlyError.
    """
    if principal.session is None:
        raise NoSessionError
    if principal.client_id != FIRST_PARTY or principal.actor:
        raise FirstPartyOnlyError
    return principal


Sessions = Annotated[SessionService[AccessToken], Depends(get_session_service)]
Feed = Annotated[RevocationFeed, Depends(get_revocation_feed)]
Agent = Annotated[str, Depends(get_agent)]
OwnUser = Annotated[Principal, Depends(get_own_user)]
