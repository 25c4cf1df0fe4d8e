"""Routes whose errors are pages too."""

from collections.abc import Callable, Coroutine
from typing import Any, override

from fastapi import Request, Response

from dataflow_service.pages.rendering import PREFIX, render
from nexus_chassis.problems import Problem, problem_of
from nexus_chassis.routing import Router, StrictRoute

type _Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRouter(Router):
    """A router of pages. They are no part of the OpenAPI document."""

    def __init__(self) -> None:
        super().__init__(prefix=PREFIX)
        self.route_class = PageRoute
        self.include_in_schema = False


class PageRoute(StrictRoute):
    """A page. An error with a Problem is a page with its status."""

    @override
    def get_route_handler(self) -> _Handler:
        handle = super().get_route_handler()

        async def handle_page(request: Request) -> Response:
            try:
                return await handle(request)
            except Exception as error:
                if (problem := problem_of(request.app, error)) is None:
                    raise
                return _problem_page(request, problem)

        return handle_page


def _problem_page(request: Request, problem: Problem) -> Response:
    return render(request, "problem.html", status=problem.status, headers=problem.headers, problem=problem)
