"""Who sends a request: its token is verified, and its session has not been ended."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError, Principal, authenticate, unauthorized
from nexus_gateway.auth.access import Access, remember_principal
from nexus_gateway.auth.administration import Requester
from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.errors import InsufficientScopeError, SessionEndedError
from nexus_gateway.auth.limits import Charge, set_usage, usage_of
from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.context import Context, get_context


async def get_access(connection: HTTPConnection) -> Access:
    """`admit` for a request of no particular class."""
    return await admit(connection, "")


async def admit(connection: HTTPConnection, rate_class: str) -> Access:
    """Who sends the request, and its session: by its token, or by a browser's cookie where it has no Authorization.

    Counts the request by the limits of its principal, address and class, or where nobody is known of its address. Raises
    Problem 401, SessionEndedError, RateLimitedError, RedisUnavailableError, and for cookies what `Browsers.access` does.
    """
    context, address = await get_context(connection), client_address(connection)

    def charge(principal: Principal) -> Charge:
        return context.rate_limiter.charges.of_principal(principal, address, rate_class)

    try:
        if not _has_authorization(connection) and (access := await context.browsers.access(connection, charge)):
            return access
        principal = await authenticate(connection)
        remember_principal(connection, principal)
        session, usage = await context.session_gate.admit(principal, charge(principal))
    except (Problem, SessionEndedError):
        if usage_of(connection.scope) is None:
            set_usage(connection.scope, await context.rate_limiter.admit_stranger(address))
        raise
    set_usage(connection.scope, usage)
    return Access(principal, session)


def _has_authorization(connection: HTTPConnection) -> bool:
    return any(name == b"authorization" for name, _ in connection.scope["headers"])


async def get_current_principal(connection: HTTPConnection) -> Principal:
    """Who sends the request; raises what `get_access` does."""
    return (await get_access(connection)).principal


async def get_requester(connection: HTTPConnection) -> Requester:
    """Who sends the request, and from where; raises what `get_access` does."""
    return Requester.of(await get_current_principal(connection), client_address(connection))


async def get_administrator(connection: HTTPConnection) -> Requester:
    """Who sends the request, if it is an administrator; raises what `get_access` does, and InsufficientScopeError."""
    principal = await get_current_principal(connection)
    if ADMIN not in principal.scopes:
        raise InsufficientScopeError([ADMIN])
    return Requester.of(principal, client_address(connection))


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


CurrentAccess = Annotated[Access, Depends(get_access)]
CurrentRequester = Annotated[Requester, Depends(get_requester)]
Administrator = Annotated[Requester, Depends(get_administrator)]
CurrentPrincipal = Annotated[Principal, Depends(get_current_principal)]
CurrentBrowserUser = Annotated[BrowserUser | None, Depends(get_browser_user)]
