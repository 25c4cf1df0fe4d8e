"""Which web pages may talk to a service: an exact allowlist of origins (RFC 6454), and CORS for them (Fetch standard)."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response

from nexus_chassis.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_ALLOWED_HEADERS = "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, prefer, traceparent"
_EXPOSED_HEADERS = "etag, idempotent-replayed, link, location, mcp-protocol-version, mcp-session-id, preference-applied, ratelimit, ratelimit-policy, retry-after, www-authenticate"
_PREFLIGHT_SECONDS = "600"


class Origins:
    """The allowed origins. A request's origin is compared with these alone, never with its Host header."""

    def __init__(self, origins: frozenset[str] = frozenset()) -> None:
        self._origins = origins

    @classmethod
    def parse(cls, text: str) -> "Origins":
        """The origins in `text`, separated by spaces or commas; raises ValueError for what is no origin."""
        names = frozenset(name for name in re.split(r"[\s,]+", text.strip()) if name)
        for name in names:
            if not _ORIGIN.fullmatch(name):
                raise ValueError(f"{name!r} is not an origin, such as https://app.example.com (lower case, no path).")
        return cls(names)

    def __bool__(self) -> bool:
        """Whether any origin is allowed."""
        return bool(self._origins)

    def allows(self, origin: str) -> bool:
        """Whether pages of this origin may connect."""
        return origin in self._origins

    def require(self, connection: HTTPConnection) -> None:
        """Raise Problem 403 when a browser sent the connection from a page that is not allowed."""
        for origin in connection.headers.getlist("origin"):
            if not self.allows(origin):
                raise _foreign(origin)


def _foreign(origin: str) -> Problem:
    detail = f"Pages of {origin[:200]!r} may not connect. Add the origin to NEXUS_ALLOWED_ORIGINS if they should."
    return Problem(403, "origin-not-allowed", "This origin may not connect", detail)


class CorsMiddleware:
    """Lets pages of the allowed origins read answers, and answers their preflight requests. No cookies are involved."""

    def __init__(self, app: "ASGIApp", origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        origin = _header(scope, b"origin") if scope["type"] == "http" else None
        if origin is None or not self._origins.allows(origin):
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method") is not None:
            await Response(status_code=204, headers=_preflight(origin))(scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send, {**_allowed(origin), **_EXPOSED}))


_EXPOSED = {"Access-Control-Expose-Headers": _EXPOSED_HEADERS}


def _allowed(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _preflight(origin: str) -> dict[str, str]:
    return {
        **_allowed(origin),
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
        "Access-Control-Max-Age": _PREFLIGHT_SECONDS,
    }


def _with_headers(send: "Send", headers: Mapping[str, str]) -> "Send":
    async def send_with_headers(message: "Message") -> None:
        if message["type"] == "http.response.start":
            answer = MutableHeaders(scope=message)
            for name, value in headers.items():
                if name == "Vary":
                    answer.add_vary_header(value)
                else:
                    answer[name] = value
        await send(message)

    return send_with_headers


def _header(scope: "Scope", name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
