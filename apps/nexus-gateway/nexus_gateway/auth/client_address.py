"""The address of a client, also behind proxies."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Annotated, Literal, Self

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

type ProxyHeader = Literal["x-forwarded-for", "forwarded"]

_UNKNOWN = "unknown"
_CACHED = 4096
_NETWORK_BITS = 64  # of an IPv6 address: a client has all addresses of its network
# RFC 7239 section 4: parameters of the element of one proxy; a quoted value may hold commas and semicolons.
_PAIR = re.compile(r'\s*([!#$%&\'*+.^_`|~\w-]+)=("(?:[^"\\]|\\.)*"|[^\s,;"]*)\s*([,;]|$)')
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\w+)?|([^:]+)(?::\w+)?")


def client_address(connection: HTTPConnection) -> str:
    """Address of the client: the peer's, or what a trusted proxy says (see TrustedProxies)."""
    peer = connection.scope.get("client")
    return str(peer[0]) if peer else _UNKNOWN


async def get_client_address(connection: HTTPConnection) -> str:
    """`client_address` as a dependency."""
    return client_address(connection)


ClientAddress = Annotated[str, Depends(get_client_address)]


@lru_cache(_CACHED)
def address_block(address: str) -> str:
    """What one client has for certain: its IPv4 address, or the network of 64 bits around its IPv6 address."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _NETWORK_BITS), strict=False))
    return address if parsed is None else str(parsed)


class TrustedProxies:
    """Proxies whose word on the client's address is taken, by their networks."""

    def __init__(self, networks: Iterable[str], header: ProxyHeader) -> None:
        self._networks = [ip_network(network) for network in networks]
        self._header = header.encode()
        self.trusts = lru_cache(_CACHED)(self._trusts)
        """Whether the address is that of a trusted proxy."""

    @classmethod
    def parse(cls, text: str, header: ProxyHeader = "x-forwarded-for") -> Self:
        """Networks or addresses, separated by spaces or commas; raises ValueError."""
        return cls(text.replace(",", " ").split(), header)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def client_of(self, peer: str, headers: Iterable[tuple[bytes, bytes]]) -> str:
        """The nearest address that is no trusted proxy: what stands further left is only the claim of a client."""
        client = peer
        if not self.trusts(peer):
            return client
        for text in self._addresses(headers):
            if (address := _parse(text)) is None:
                break
            client = str(address)
            if not self.trusts(client):
                break
        return client

    def _addresses(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
        """The addresses of the header, the nearest first."""
        value = ",".join(value.decode("latin-1") for name, value in headers if name == self._header)
        found = value.split(",") if self._header == b"x-forwarded-for" else list(_forwarded_for(value))
        return reversed(found)

    def _trusts(self, text: str) -> bool:
        address = _parse(text)
        return address is not None and any(address in network for network in self._networks)


def _forwarded_for(value: str) -> Iterator[str]:
    """The parameter `for` of each element of Forwarded; empty for an element without one, or where it is malformed."""
    place, found = 0, ""
    while place < len(value):
        if (pair := _PAIR.match(value, place)) is None:
            yield ""
            return
        if pair[1].lower() == "for":
            found = pair[2].strip('"')
        if pair[3] != ";":
            yield found
            found = ""
        place = pair.end()


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, with or without a port; an IPv4 address in IPv6 form is one of IPv4."""
    for candidate in (text.strip(), _without_port(text.strip())):
        with suppress(ValueError):
            address = ip_address(candidate)
            if isinstance(address, IPv6Address):
                return address.ipv4_mapped or IPv6Address(int(address))  # without a zone
            return address
    return None


def _without_port(text: str) -> str:
    match = _WITH_PORT.fullmatch(text)
    return (match[1] or match[2]) if match else ""


class ProxyMiddleware:
    """Gives each connection its client's address, which everything behind it reads."""

    def __init__(self, app: "ASGIApp", proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection."""
        if scope["type"] in {"http", "websocket"} and scope["client"]:
            peer, port = scope["client"]
            scope["client"] = (self._proxies.client_of(peer, scope["headers"]), port)
        await self._app(scope, receive, send)
