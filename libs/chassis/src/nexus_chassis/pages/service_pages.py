"""The pages of a service: a router of them, whose errors are pages too, and the files that they use."""

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, override

from fastapi import Request, Response
from starlette.responses import HTMLResponse

from nexus_chassis.pages.rendering import HEADERS, SHARED, Templates
from nexus_chassis.problems import Problem, problem_of
from nexus_chassis.routing import Router, StrictRoute
from nexus_chassis.static_files import StaticFiles

type _Handler = Callable[[Request], Coroutine[Any, Any, Response]]

PREFIX = "/pages"
"""Where a service has its pages; the gateway has them at /pages/{name}."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class ServicePages:
    """Pages made of the templates in a folder.

    `problem.html` is the page of an error. Templates extend `service_page.html`.
    """

    def __init__(self, folder: Path) -> None:
        self._templates = Templates(folder, SHARED)

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        """Return the page of a template, whose links are relative: `pages` leads to /pages, `gateway` to the gateway's root."""
        pages = "../" * (request.scope["path"].removeprefix(PREFIX).count("/") - 1)
        content = self._templates.render(template, pages=pages, gateway=f"{pages}../../", **values)
        return HTMLResponse(content, status, {**HEADERS, "Content-Security-Policy": _POLICY, **(headers or {})})

    def router(self) -> Router:
        """Return a router of pages. They are no part of the OpenAPI document."""
        render = self.render

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
                        return problem_page(request, problem)

                return handle_page

        def problem_page(request: Request, problem: Problem) -> Response:
            return render(request, "problem.html", status=problem.status, headers=problem.headers, problem=problem)

        router = Router(prefix=PREFIX)
        router.route_class = PageRoute
        router.include_in_schema = False
        return router


def files_router(folder: Path) -> Router:
    """Return a router with the style sheets and scripts of a folder, at /pages/static."""
    router, files = Router(prefix=f"{PREFIX}/static"), StaticFiles(folder, kept_by="private")

    @router.get("/{name}", include_in_schema=False)
    async def read_file(request: Request, name: str) -> Response:
        """Style sheets and scripts of the pages."""
        return files.answer(request, name)

    return router
