"""Who sends a request: its token is verified, and its session has not been ended."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.tokens import InvalidTokenError, Principal, authenticate, unauthorized
from nexus_gateway.auth.access import Access
from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.context import Context, get_context

_PRINCIPAL = "nexus.principal"


async def get_access(connection: HTTPConnection) -> Access:
    """Who sends the request, and its session: by its token, or by a browser's cookie where it has no Authorization.

    Raises Problem 401, SessionEndedError, RedisUnavailableError, and for cookies what `Browsers.access` does.
    """
    context = await get_context(connection)
    if not _has_authorization(connection) and (access := await context.browsers.access(connection)) is not None:
        connection.scope[_PRINCIPAL] = access.principal
        return access
    principal = connection.scope[_PRINCIPAL] = await authenticate(connection)
    return Access(principal, await context.session_gate.check(principal))


def _has_authorization(connection: HTTPConnection) -> bool:
    return any(name == b"authorization" for name, _ in connection.scope["headers"])


async def get_current_principal(connection: HTTPConnection) -> Principal:
    """Who sends the request; raises what `get_access` does."""
    return (await get_access(connection)).principal


async def get_browser_user(connection: HTTPConnection) -> BrowserUser | None:
    """Who is signed in at the browser that asks for a page; raises RedisUnavailableError."""
    return await (await get_context(connection)).browsers.user_of(connection)


async def authenticate_token(context: Context, token: str | None) -> Principal:
    """Who a token speaks for that did not come in the Authorization header; raises what `get_access` does."""
    if token is None:
        raise unauthorized()
    try:
        principal = await context.issuer.gateway_verifier.verify(token)
    except InvalidTokenError as error:
        raise unauthorized(str(error)) from None
    await context.session_gate.check(principal)
    return principal


def known_principal(connection: HTTPConnection) -> Principal | None:
    """Who sends the request, if its token was verified: also where the request was refused later."""
    principal: Principal | None = connection.scope.get(_PRINCIPAL)
    return principal


CurrentAccess = Annotated[Access, Depends(get_access)]
CurrentPrincipal = Annotated[Principal, Depends(get_current_principal)]
CurrentBrowserUser = Annotated[BrowserUser | None, Depends(get_browser_user)]
