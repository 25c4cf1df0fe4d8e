"""Which hosts outside the stack may be called, and by which addresses (CWE-918, server-side request forgery)."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import override
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}
_ENTRY = re.compile(r"(?:(https?)://)?(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?(?:=(.+))?")

type _Network = IPv4Network | IPv6Network


class HostRefusedError(Exception):
    """A host may not be called; the text says why, as the end of a sentence."""


class AddressRefusedError(OSError):
    """A host name leads to an address that may not be called."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What one connection is made to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Return the origin of an absolute http or https URL without user, query and fragment; raises HostRefusedError."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise HostRefusedError(f"{url!r:.200} is not a URL") from None
        if parts.scheme not in _PORTS or not host or "@" in parts.netloc or parts.query or parts.fragment:
            raise HostRefusedError(f"{url!r:.200} is not an http or https URL without user, query and fragment")
        return cls(parts.scheme, host, _PORTS[parts.scheme] if port is None else port)

    @override
    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Allowlist:
    """The origins that may be called, each with the addresses beside public ones that its host may have."""

    entries: Mapping[Origin, tuple[_Network, ...]]

    @classmethod
    def parse(cls, text: str) -> "Allowlist":
        """Return the list of the setting NEXUS_TOOL_HOSTS; raises ValueError."""
        entries: dict[Origin, tuple[_Network, ...]] = {}
        for part in text.split():
            found = _ENTRY.fullmatch(part)
            if found is None:
                raise ValueError(f"{part!r} is not [http://]HOST[:PORT][=NETWORK], such as api.example.com.")
            scheme, host, port, networks = found.groups()
            origin = Origin.parse(f"{scheme or 'https'}://{host}{f':{port}' if port else ''}")
            entries[origin] = (*_own_address(origin.host), *_networks(networks))
        return cls(entries)

    def require(self, origin: Origin) -> None:
        """Raise HostRefusedError for an origin that is not in the list."""
        if origin not in self.entries:
            raise HostRefusedError(f"{origin} is not in NEXUS_TOOL_HOSTS")

    def permits(self, host: str, address: str) -> bool:
        """Return whether the host may be called at this IP address."""
        if is_public(address):
            return True
        found = _parse(address)
        networks = [network for origin, those in self.entries.items() if origin.host == host for network in those]
        return found is not None and any(found in network for network in networks)


def _own_address(host: str) -> tuple[_Network, ...]:
    """A host that is listed by its address was named explicitly."""
    found = _parse(host)
    return () if found is None else (ipaddress.ip_network(found),)


def _networks(text: str | None) -> tuple[_Network, ...]:
    return tuple(ipaddress.ip_network(part) for part in (text or "").split(",") if part)


def _parse(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet; the IPv4 address inside an IPv6 one counts."""
    found = _parse(address)
    if found is None:
        return False
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _NAT64:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return found.is_global and not found.is_multicast and not found.is_reserved


class PinningResolver(AbstractResolver):
    """Resolves the names in the list to addresses that are permitted.

    The connection is made to what was checked here, so a second answer of the DNS does not count (DNS rebinding).
    """

    def __init__(self, allowlist: Allowlist, resolver: AbstractResolver | None = None) -> None:
        self._allowlist = allowlist
        self._resolver = resolver or ThreadedResolver()

    @override
    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)  # type: ignore[arg-type]  # its stub knows one family
        if not found or not all(self._allowlist.permits(host.lower(), result["host"]) for result in found):
            raise AddressRefusedError(f"{host} has an address that may not be called")
        return found

    @override
    async def close(self) -> None:
        await self._resolver.close()
