"""Resource indicators (RFC 8707): the services' addresses, and the audience that each stands for."""

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from nexus_gateway.oauth.errors import OAuthError

_DEFAULT_PORTS = {"http": 80, "https": 443}
type _Place = tuple[str, str, int, tuple[str, ...]]


class Resources:
    """The services by their public addresses; an address stands for everything below it as well."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._audiences = {_place(address): audience for address, audience in addresses.items()}
        self._addresses = sorted(addresses)

    @property
    def addresses(self) -> list[str]:
        """The addresses that are known."""
        return self._addresses

    def audience(self, resource: str) -> str:
        """The audience of a resource; raises OAuthError `invalid_target`."""
        try:
            scheme, host, port, path = _place(resource)
        except ValueError:
            raise self._unknown(resource) from None
        for length in range(len(path), -1, -1):
            if (found := self._audiences.get((scheme, host, port, path[:length]))) is not None:
                return found
        raise self._unknown(resource)

    def _unknown(self, resource: str) -> OAuthError:
        known = ", ".join(self._addresses)
        return OAuthError("invalid_target", f"There is no resource {resource!r:.200}. Known are {known}.")


def _place(address: str) -> _Place:
    """What an address means, in one spelling; raises ValueError for what is none."""
    parts = urlsplit(address)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or _has_more(address, parts):
        raise ValueError(f"{address!r} is not the address of a resource.")
    segments = tuple(parts.path.strip("/").split("/")) if parts.path.strip("/") else ()
    if not {".", "..", ""}.isdisjoint(segments):
        raise ValueError(f"{address!r} has empty, '.' or '..' parts.")
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], segments


def _has_more(address: str, parts: SplitResult) -> bool:
    """Whether the address has what none of a resource has: user, query, fragment, escapes, or other characters."""
    return any(character in address for character in "@?#%\\") or not address.isascii() or parts.path.startswith("//")
