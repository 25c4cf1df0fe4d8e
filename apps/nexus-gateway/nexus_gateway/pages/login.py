"""The login page, for every feature that signs users in at a browser."""

from collections.abc import Collection, Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response

from nexus_gateway.pages.rendering import render


class LoginChoice(Protocol):
    """Somebody else who signs users in."""

    @property
    def label(self) -> str:
        """What the page calls them."""

    @property
    def path(self) -> str:
        """Where signing in by them begins."""


def render_login(
    request: Request,
    choices: Collection[LoginChoice],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    errors: Collection[tuple[str, str]] = (),
    notice: str = "",
    username: str = "",
    next_path: str = "/",
) -> Response:
    """The page to sign in at; `next_path` is where it leads afterwards, a path of the gateway."""
    return render(
        request,
        "pages/templates/login.html",
        status=status,
        headers=headers,
        choices=choices,
        errors=errors,
        notice=notice,
        username=username,
        next=next_path,
    )
