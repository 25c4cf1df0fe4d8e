"""Who sends a request: its token is verified, and its session has not been ended."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.tokens import InvalidTokenError, Principal, authenticate, unauthorized
from nexus_gateway.auth.session_gate import SessionState
from nexus_gateway.context import Context, get_context

_PRINCIPAL = "nexus.principal"


@dataclass(frozen=True, slots=True)
class Access:
    """An authenticated request: who sends it, and the session that its token belongs to."""

    principal: Principal
    session: SessionState | None


async def get_access(connection: HTTPConnection) -> Access:
    """Who sends the request, and its session; raises Problem 401, SessionEndedError or RedisUnavailableError."""
    principal = connection.scope[_PRINCIPAL] = await authenticate(connection)
    context = await get_context(connection)
    return Access(principal, await context.session_gate.check(principal))


async def get_current_principal(connection: HTTPConnection) -> Principal:
    """Who sends the request; raises what `get_access` does."""
    return (await get_access(connection)).principal


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
