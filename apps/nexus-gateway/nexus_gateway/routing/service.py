"""The proxy: passes requests on to the services, and streams bodies both ways."""

from collections.abc import AsyncIterator, Iterable

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from yarl import URL

from nexus_chassis.problems import Problem
from nexus_gateway.routing.routes import Route

_CONNECT_SECONDS = 2.0

# RFC 9110 section 7.6.1, and what concerns this hop only
_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NOT_PASSED_ON = _HOP_BY_HOP | {
    "authorization",
    "cookie",
    "expect",
    "forwarded",
    "host",
    "traceparent",  # the HTTP session sets the gateway's own
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
}
_NOT_PASSED_BACK = _HOP_BY_HOP | {"date", "server", "set-cookie"}
_OWN_HEADERS = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")  # aiohttp adds none of these by itself


class ProxyService:
    """Passes requests on with a token of their own; the caller's token goes no further than the gateway."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    async def forward(self, request: Request, route: Route, token: str) -> Response:
        """The service's answer. Raises Problem 400, 413, 502 or 504."""
        body = _Body(request, route.body_limit)
        try:
            answer = await self._http.request(
                request.method,
                _upstream_url(request, route),
                headers=_request_headers(request, token),
                data=body.stream() if body.present else None,
                allow_redirects=False,
                skip_auto_headers=_OWN_HEADERS,
                timeout=aiohttp.ClientTimeout(
                    connect=route.timeout, sock_connect=_CONNECT_SECONDS, sock_read=route.timeout
                ),
            )
        except (aiohttp.ClientError, OSError) as error:
            raise body.fault or _failure(route, error) from error
        return StreamingResponse(_chunks(answer), answer.status, _response_headers(answer, route))


class _Body:
    """The body of a request as a stream with a limit."""

    def __init__(self, request: Request, limit: int) -> None:
        self._request = request
        self._limit = limit
        self.fault: Exception | None = None
        length = request.headers.get("content-length")
        self.present = length is not None or "transfer-encoding" in request.headers
        if length is not None and int(length) > limit:
            raise _too_large(limit)

    async def stream(self) -> AsyncIterator[bytes]:
        """The chunks; what goes wrong here is kept in `fault`, because aiohttp tells only that sending failed."""
        size = 0
        try:
            async for chunk in self._request.stream():
                size += len(chunk)
                if size > self._limit:
                    raise _too_large(self._limit)
                yield chunk
        except (Problem, ClientDisconnect) as fault:
            self.fault = fault
            raise


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()  # a connection whose answer was read to its end is back in the pool already


def _upstream_url(request: Request, route: Route) -> URL:
    path = request.scope["raw_path"].decode("ascii")
    if not path.startswith(f"{route.prefix}/") or _climbs(request.scope["path"]):
        raise Problem(
            400,
            "ambiguous-path",
            "The path is ambiguous",
            f"Found {path}. Write {route.prefix}/ without percent escapes, and no '.' or '..' between slashes.",
        )
    query = request.scope["query_string"].decode("ascii")
    return URL(f"{route.upstream}/v1{path.removeprefix(route.prefix)}{'?' if query else ''}{query}", encoded=True)


def _climbs(path: str) -> bool:
    return any(segment in {".", ".."} for segment in path.replace("\\", "/").split("/"))


def _request_headers(request: Request, token: str) -> list[tuple[str, str]]:
    passed = list(_without(request.headers.items(), _NOT_PASSED_ON))
    client = request.client.host if request.client else "unknown"
    return [*passed, ("authorization", f"Bearer {token}"), ("x-forwarded-for", client)]


def _response_headers(answer: aiohttp.ClientResponse, route: Route) -> dict[str, str]:
    headers = dict(_without(((name.lower(), value) for name, value in answer.headers.items()), _NOT_PASSED_BACK))
    if headers.get("location", "").startswith("/v1/"):
        headers["location"] = route.prefix + headers["location"].removeprefix("/v1")
    return headers


def _without(headers: Iterable[tuple[str, str]], dropped: frozenset[str]) -> Iterable[tuple[str, str]]:
    kept = list(headers)
    named = {
        token.strip().lower() for name, value in kept if name == "connection" for token in value.split(",")
    }  # RFC 9110 section 7.6.1: Connection names further headers of this hop
    return [(name, value) for name, value in kept if name not in dropped | named]


def _too_large(limit: int) -> Problem:
    return Problem(
        413,
        "body-too-large",
        "The request body is too large",
        f"At most {limit} bytes are taken here. Send it in parts.",
    )


def _failure(route: Route, error: Exception) -> Problem:
    if isinstance(error, TimeoutError):
        return Problem(
            504,
            "upstream-timeout",
            "A service took too long",
            f"{route.service} gave no answer in time. Try again later; /v1/status tells its state.",
            service=route.service,
        )
    return Problem(
        502,
        "upstream-unavailable",
        "A service is away",
        f"{route.service} cannot be reached. Try again in a few seconds; /v1/status tells its state.",
        headers={"Retry-After": "5"},
        service=route.service,
    )
