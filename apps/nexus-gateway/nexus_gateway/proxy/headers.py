"""Which headers pass, and as what. Repeated headers stay repeated, in their order."""

from collections.abc import Iterable

import aiohttp
from starlette.types import Scope

from nexus_gateway.proxy.routes import PAGES, Route

type RawHeaders = list[tuple[bytes, bytes]]

# RFC 9110 section 7.6.1, and what concerns this hop only
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_NOT_PASSED_ON = _HOP_BY_HOP | {
    b"authorization",
    b"cookie",
    b"expect",
    b"forwarded",
    b"host",
    b"request-timeout",
    b"traceparent",  # the HTTP session sets the gateway's own
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
}
_NOT_PASSED_BACK = _HOP_BY_HOP | {b"date", b"server", b"set-cookie"}
_BODILESS = frozenset({204, 304})
_LENGTH = frozenset(
    {b"content-length"}
)  # there: that of the answer to a GET (RFC 9110 section 8.6), which the server would wait for
_BLANKS = b" \t"
_PAGE_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
)


_VIA = "1.1 nexus-gateway"


def request_headers(scope: Scope, token: str, client: str) -> list[tuple[str, str]]:
    """The headers for the service: those of the client that pass, the token, and the client's address."""
    passed = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in _without(scope["headers"], _NOT_PASSED_ON)
    ]
    return [
        *passed,
        ("authorization", f"Bearer {token}"),
        ("x-forwarded-for", client),
        ("forwarded", f"for={_node(client)};proto={scope['scheme']}"),
        ("via", _VIA),
    ]


def _node(address: str) -> str:
    """An address as RFC 7239 section 6 writes it."""
    return f'"[{address}]"' if ":" in address else address


def response_headers(answer: aiohttp.ClientResponse, route: Route) -> RawHeaders:
    """The headers for the client: those of the service that pass; `Location` names the path under the route's prefix."""
    dropped = _NOT_PASSED_BACK | _LENGTH if answer.status in _BODILESS else _NOT_PASSED_BACK
    passed = []
    for name, value in _without(answer.raw_headers, dropped):
        if name == b"location":
            value = _public_location(value, route)  # noqa: PLW2901  the rare one
        passed.append((name, value))
    return _with_page_headers(passed) if route.target == PAGES else passed


def _with_page_headers(headers: RawHeaders) -> RawHeaders:
    """Pages share the origin of the gateway's own, so a page without a policy of its own gets the strict one."""
    present = {name for name, _ in headers}
    return [*headers, *(header for header in _PAGE_HEADERS if header[0] not in present)]


def _public_location(location: bytes, route: Route) -> bytes:
    """No client can use an address of the internal network."""
    internal = f"{route.target}/".encode()
    for own in (route.upstream.encode() + internal, internal):
        if location.startswith(own):
            return f"{route.prefix}/".encode() + location.removeprefix(own)
    return location


def _without(headers: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes]) -> RawHeaders:
    kept = [(name.lower(), value.strip(_BLANKS)) for name, value in headers]  # RFC 9110 section 5.5
    for name, value in kept:
        if name == b"connection":  # it names further headers of this hop
            dropped |= {part.strip(_BLANKS).lower() for part in value.split(b",")}
    return [header for header in kept if header[0] not in dropped]
