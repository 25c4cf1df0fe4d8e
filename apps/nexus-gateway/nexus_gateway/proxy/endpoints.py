"""One endpoint per route."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, override

from fastapi import Request, Response

from nexus_chassis.routing import Router, StrictRoute
from nexus_gateway.auth.dependencies import get_current_principal
from nexus_gateway.context import get_context
from nexus_gateway.proxy.routes import Route

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def router(routes: Iterable[Route]) -> Router:
    """A router with all routes."""
    api = Router()
    for route in routes:
        path = f"{route.prefix}/{{path:path}}"
        api.routes.append(_ProxyRoute(path, _endpoint(route), methods=_METHODS, include_in_schema=False))
    return api


class _ProxyRoute(StrictRoute):
    """A route whose endpoint takes the request alone: query and body are checked by the service behind it.

    The endpoint calls what others declare as dependencies, and FastAPI's own layers are left out: together they cost
    more CPU than the session check.
    """

    @override
    async def handle(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["method"] not in _METHODS:
            await super().handle(scope, receive, send)
            return
        response: Response = await self.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def _endpoint(route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def forward(request: Request) -> Response:
        principal = await get_current_principal(request)
        context = await get_context(request)
        return await context.forwarder.forward(request, route, principal)

    return forward
