"""Templates to pages."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from nexus_chassis.pages.rendering import HEADERS, Templates
from nexus_chassis.problems import Problem
from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.pages.visit import visit_of

_CONTENT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
_TEMPLATES = Templates(Path(__file__).parent.parent)


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
    content = _TEMPLATES.render(template, visit=visit_of(request), user=user, **values)
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
