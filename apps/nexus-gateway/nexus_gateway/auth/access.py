"""What is known of an authenticated request."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from nexus_chassis.tokens import Principal
from nexus_gateway.auth.session_gate import SessionState

_PRINCIPAL = "nexus.principal"


@dataclass(frozen=True, slots=True)
class Access:
    """An authenticated request: who sends it, and the session that its token belongs to."""

    principal: Principal
    session: SessionState | None


def remember_principal(connection: HTTPConnection, principal: Principal) -> None:
    """Keep who sends the request, for whoever records what happens to it."""
    connection.scope[_PRINCIPAL] = principal


def known_principal(connection: HTTPConnection) -> Principal | None:
    """Who sends the request, if its token was verified: also where the request was refused later."""
    principal: Principal | None = connection.scope.get(_PRINCIPAL)
    return principal
