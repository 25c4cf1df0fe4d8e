"""Where a browser goes next: never away from the gateway because a parameter says so."""

import re
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response

LOGIN = "/login"
HOME = "/"
# A path of this host: printable ASCII, and neither `//host` nor what browsers read as that (backslashes, tabs).
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]{0,2047}")


def local_path(text: str) -> str:
    """The text, if it is a path with or without a query on this host; else `/`."""
    return text if _LOCAL.fullmatch(text) and not text.startswith(LOGIN) else HOME


def login_redirect(connection: HTTPConnection) -> Response:
    """To the login page, and from there back to what was asked for."""
    scope = connection.scope
    target = scope["raw_path"].decode("latin-1")
    if query := scope["query_string"].decode("latin-1"):
        target = f"{target}?{query}"
    is_page = scope["method"] in {"GET", "HEAD"} and local_path(target) != HOME
    return see_other(f"{LOGIN}?next={quote(target, safe='')}" if is_page else LOGIN)


def see_other(target: str) -> Response:
    """To another page of the gateway, by GET."""
    return RedirectResponse(target, 303, {"Cache-Control": "no-store"})
