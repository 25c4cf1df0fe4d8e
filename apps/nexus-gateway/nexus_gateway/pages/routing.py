"""Routes of pages: to known hosts only, with errors as pages."""

from collections.abc import Callable, Coroutine
from typing import Any, override

from fastapi import Request, Response
from fastapi.routing import APIRoute

from nexus_chassis.problems import problem_of
from nexus_chassis.routing import Router, StrictRoute
from nexus_gateway.audit.refusals import record_refusal
from nexus_gateway.context import get_context
from nexus_gateway.pages.redirects import login_redirect
from nexus_gateway.pages.rendering import render_problem
from nexus_gateway.pages.visit import Visit

type _Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_UNAUTHORIZED = 401


class PageRouter(Router):
    """A router of pages. They are no part of the OpenAPI document."""

    def __init__(self, *, route_class: "type[PageRoute] | None" = None) -> None:
        super().__init__()
        self.route_class = route_class or PageRoute
        self.include_in_schema = False


class PageRoute(StrictRoute):
    """A page: an error is one too, and a request that needs a session leads to the login page."""

    @override
    def get_route_handler(self) -> _Handler:
        return _as_page(super().get_route_handler())


class AnyQueryPageRoute(PageRoute):
    """A page that ignores query parameters it does not know (RFC 6749 section 3.1 demands it)."""

    @override
    def get_route_handler(self) -> _Handler:
        return _as_page(APIRoute.get_route_handler(self))


def _as_page(handle: _Handler) -> _Handler:
    async def handle_page(request: Request) -> Response:
        browsers = (await get_context(request)).browsers
        visit = request.state.visit = Visit(request, browsers)
        try:
            browsers.address.require_known_host(request)
            response = await handle(request)
        except Exception as error:
            if (problem := problem_of(request.app, error)) is None:
                raise
            if problem.status == _UNAUTHORIZED:
                return login_redirect(request)
            await record_refusal(request, problem)
            response = render_problem(request, problem)
        visit.finish(response)
        return response

    return handle_page
