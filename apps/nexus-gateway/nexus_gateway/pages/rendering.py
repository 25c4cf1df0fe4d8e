"""Templates to pages."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from nexus_chassis.problems import Problem
from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.pages.visit import visit_of

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).parent.parent
_CONTENT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",  # with no-referrer, browsers send `Origin: null` with own forms
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What each page is sent with, besides its Content-Security-Policy."""


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  it takes a fourteenth of a start

    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )


def render(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    form_action: Iterable[str] = (),
    user: BrowserUser | None = None,
    **values: object,
) -> Response:
    """The page of a template, named by its path below the package, such as `oauth/templates/consent.html`.

    `user` is who is signed in; the navigation needs it. `form_action` are sources besides the gateway itself to which a
    form of the page may lead, redirects included (Content Security Policy Level 3, section 6.4.1).
    """
    content = _environment().get_template(template).render(visit=visit_of(request), user=user, **values)
    policy = " ".join([_CONTENT, *form_action])
    return HTMLResponse(content, status, {**HEADERS, "Content-Security-Policy": policy, **(headers or {})})


def render_problem(request: Request, problem: Problem) -> Response:
    """The page that says what went wrong."""
    headers = {name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"}
    return render(
        request,
        "pages/templates/problem.html",
        status=problem.status,
        headers=headers,
        title=problem.title,
        detail=problem.detail,
    )


def render_continue(request: Request, target: str) -> Response:
    """A page that goes on to `target` at once: unlike a redirect, it starts anew what a form's policy would forbid."""
    return render(request, "pages/templates/continue.html", target=target)
