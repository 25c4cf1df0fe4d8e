"""Counts the requests of strangers by their address, and adds to each answer what is left of the limits."""

from typing import TYPE_CHECKING

from starlette.requests import HTTPConnection

from nexus_chassis.problems import problem_of
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.errors import RateLimitedError
from nexus_gateway.auth.limit_rules import ANONYMOUS, REGISTER, SIGN_IN, TOKEN
from nexus_gateway.auth.limits import set_usage, usage_of
from nexus_gateway.context import get_context

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEALTH = frozenset({"/livez", "/readyz", "/health"})
_EXTERNAL_LOGIN = "/login/oidc/"
_OF_PRINCIPALS = ("/v1/", "/pages/")
_CREDENTIALS = frozenset({b"authorization", b"cookie"})
_CLASSES = {
    ("POST", "/v1/sessions"): SIGN_IN,
    ("POST", "/login"): SIGN_IN,
    ("POST", "/account/password"): SIGN_IN,
    ("POST", "/oauth/token"): TOKEN,
    ("POST", "/oauth/register"): REGISTER,
}


class RateLimitMiddleware:
    """The requests of principals are counted together with their session's check, in `auth.session_gate`."""

    def __init__(self, app: "ASGIApp") -> None:
        self._app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan" or scope["path"] in _HEALTH:
            await self._app(scope, receive, send)
            return
        if (rate_class := _stranger_class(scope)) is not None:
            try:
                await _count(scope, rate_class)
            except RateLimitedError as error:
                problem = problem_of(scope["app"], error)
                if problem is None:
                    raise
                await problem.response()(scope, receive, send)
                return

        async def add(message: "Message") -> None:
            if message["type"] == "http.response.start" and (usage := usage_of(scope)) is not None:
                message["headers"] = [*message["headers"], *usage.headers]
            await send(message)

        await self._app(scope, receive, add)


async def _count(scope: "Scope", rate_class: str) -> None:
    connection = HTTPConnection(scope)
    limiter = (await get_context(connection)).rate_limiter
    set_usage(scope, await limiter.admit_stranger(client_address(connection), rate_class))


def _stranger_class(scope: "Scope") -> str | None:
    """The class that the request is counted by before it is known who sends it; None where that is found out first."""
    path = scope["path"]
    if (rate_class := _CLASSES.get((scope.get("method", "GET"), path))) is not None:
        return rate_class
    if path.startswith(_EXTERNAL_LOGIN):
        return SIGN_IN
    if path.startswith(_OF_PRINCIPALS):
        for name, _ in scope["headers"]:
            if name in _CREDENTIALS:
                return None
    return ANONYMOUS
