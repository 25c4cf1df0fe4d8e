"""Which headers pass, and as what. Repeated headers stay repeated, in their order."""

from collections.abc import Iterable

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
    b"traceparent",  # the HTTP session sets the gateway's own
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-proto",
}
_NOT_PASSED_BACK = _HOP_BY_HOP | {b"date", b"server", b"set-cookie"}
_BLANKS = b" \t"


def request_headers(headers: Iterable[tuple[bytes, bytes]], token: str, client: str) -> list[tuple[str, str]]:
    """The headers for the service: those of the client that pass, the token, and the client's address."""
    passed = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in _without(headers, _NOT_PASSED_ON)]
    return [*passed, ("authorization", f"Bearer {token}"), ("x-forwarded-for", client)]


def response_headers(headers: Iterable[tuple[bytes, bytes]], prefix: str, upstream: str) -> RawHeaders:
    """The headers for the client: those of the service that pass; `Location` names the path under the route's prefix."""
    own, public = f"{upstream}/v1/".encode(), f"{prefix}/".encode()
    passed = []
    for name, value in _without(headers, _NOT_PASSED_BACK):
        if name == b"location":
            value = _public_location(value, own, public)  # noqa: PLW2901  the rare one
        passed.append((name, value))
    return passed


def _public_location(location: bytes, own: bytes, public: bytes) -> bytes:
    """No client can use an address of the internal network."""
    for internal in (own, b"/v1/"):
        if location.startswith(internal):
            return public + location.removeprefix(internal)
    return location


def _without(headers: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes]) -> RawHeaders:
    kept = [(name.lower(), value.strip(_BLANKS)) for name, value in headers]  # RFC 9110 section 5.5
    for name, value in kept:
        if name == b"connection":  # it names further headers of this hop
            dropped |= {part.strip(_BLANKS).lower() for part in value.split(b",")}
    return [header for header in kept if header[0] not in dropped]
