"""One endpoint per route."""

from collections.abc import Callable, Coroutine, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, override

from fastapi import FastAPI, Request, Response
from starlette.routing import Match

from nexus_chassis.problems import Problem, problem_of
from nexus_chassis.routing import DirectRoute, Router
from nexus_chassis.tokens import Principal
from nexus_gateway.audit.models import AuditEvent, Outcome
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.dependencies import admit
from nexus_gateway.auth.errors import InsufficientScopeError, SessionEndedError
from nexus_gateway.context import Context, get_context
from nexus_gateway.pages.redirects import login_redirect
from nexus_gateway.proxy.errors import AmbiguousPathError
from nexus_gateway.proxy.routes import API, PAGES, Route

if TYPE_CHECKING:
    from starlette.types import Scope

_METHODS = {
    API: {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"},
    PAGES: {"GET", "HEAD"},
}
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


def router(routes: Iterable[Route]) -> Router:
    """A router with all routes."""
    api = Router()
    api.routes.extend(_ProxyRoute(route) for route in routes)
    return api


def replace_routes(app: FastAPI, routes: Iterable[Route]) -> None:
    """Serve these routes from now on; requests on their way end on those they came by."""
    others = [route for route in app.router.routes if not isinstance(route, _ProxyRoute)]
    app.router.routes[:] = [*router(routes).routes, *others]


class _ProxyRoute(DirectRoute):
    """A route whose query and body are checked by the service behind it."""

    def __init__(self, route: Route) -> None:
        self._start = f"{route.prefix}/"
        self._allowed = _METHODS[route.target]
        super().__init__(
            f"{self._start}{{path:path}}", _endpoint(route), methods=self._allowed, include_in_schema=False
        )

    @override
    def matches(self, scope: "Scope") -> "tuple[Match, Scope]":
        """As the route's pattern does; without it, because each request passes all of these routes."""
        if scope["type"] != "http" or not scope["path"].startswith(self._start):
            return Match.NONE, {}
        match = Match.FULL if scope["method"] in self._allowed else Match.PARTIAL
        return match, {"endpoint": self.endpoint, "path_params": {}}

    @override
    def check_query(self, query_string: bytes) -> None:
        pass


def _endpoint(route: Route) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def forward(request: Request) -> Response:
        principal = (await admit(request, route.rate_class)).principal
        context = await get_context(request)
        if request.method in _READING:
            return await context.forwarder.forward(request, route, principal)
        return await _forward_recorded(request, route, principal, context)

    async def forward_page(request: Request) -> Response:
        try:
            return await forward(request)
        except (Problem, SessionEndedError) as error:
            if isinstance(error, Problem) and error.status != HTTPStatus.UNAUTHORIZED:
                raise
            if not _is_navigation(request):
                raise
            return login_redirect(request)

    return forward_page if route.target == PAGES else forward


def _is_navigation(request: Request) -> bool:
    """Whether a person opens the page in a browser; programs get the problem."""
    return "authorization" not in request.headers and "text/html" in request.headers.get("accept", "")


async def _forward_recorded(request: Request, route: Route, principal: Principal, context: Context) -> Response:
    """The answer to a request that may change something: who sent it, and what came of it, is recorded."""
    try:
        response = await context.forwarder.forward(request, route, principal)
    except (InsufficientScopeError, AmbiguousPathError):
        raise  # it went nowhere
    except Exception as error:
        problem = problem_of(request.app, error)
        context.audit.record(_forwarded(request, route, principal, problem.status if problem else 500))
        raise
    context.audit.record(_forwarded(request, route, principal, response.status_code))
    return response


def _forwarded(request: Request, route: Route, principal: Principal, status: int) -> AuditEvent:
    if status < HTTPStatus.BAD_REQUEST:
        outcome: Outcome = "success"
    else:
        outcome = "refused" if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN} else "failed"
    return AuditEvent.by(
        principal,
        "request.forward",
        outcome,
        target=f"{request.method} {request.scope['raw_path'].decode('latin-1')}",
        address=client_address(request),
        detail={"service": route.service, "status": str(status)},
    )
