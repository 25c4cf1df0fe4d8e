"""One endpoint per route."""

from collections.abc import Awaitable, Callable, Iterable

from fastapi import APIRouter, Request, Response

from nexus_chassis.tokens import forbidden
from nexus_gateway.access import Caller
from nexus_gateway.routing.routes import Route
from nexus_gateway.services import ServicesOfApp

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def router(routes: Iterable[Route]) -> APIRouter:
    """A router with all routes."""
    api = APIRouter()
    for route in routes:
        api.add_api_route(f"{route.prefix}/{{path:path}}", _endpoint(route), methods=_METHODS, include_in_schema=False)
    return api


def _endpoint(route: Route) -> Callable[..., Awaitable[Response]]:
    async def forward(request: Request, caller: Caller, services: ServicesOfApp) -> Response:
        if not caller.scopes & route.scopes:
            raise forbidden(route.scopes)
        token = services.tokens.for_route(caller, route.service)
        return await services.proxy.forward(request, route, token)

    return forward
