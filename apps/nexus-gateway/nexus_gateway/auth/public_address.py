"""Where browsers reach the gateway: the hosts it answers as, and which requests its own pages made."""

from collections.abc import Iterable
from functools import cached_property
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from nexus_gateway.auth.errors import ForeignRequestError, UnknownHostError

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_LOCALHOST = "localhost"
CSRF_HEADER = "x-nexus-csrf"
"""What scripts of the gateway's own pages send with a write; no page of another origin can add it."""


class PublicAddress:
    """The issuer's address, and further hosts that browsers may use instead of the issuer's."""

    def __init__(self, issuer: str, more_hosts: Iterable[str] = ()) -> None:
        parts = urlsplit(issuer)
        self._scheme = parts.scheme
        self._issuer_host = parts.netloc.rpartition("@")[2].lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))
        self._hosts = frozenset({self._issuer_host, *more_hosts})
        self._origins = frozenset(f"{self._scheme}://{host}" for host in self._hosts)
        self.is_secure = parts.scheme == "https" or parts.hostname == _LOCALHOST

    @cached_property
    def cookie(self) -> str:
        """Name of the cookie; the prefix keeps other hosts of the domain from setting it (RFC 6265bis section 4.1.3)."""
        return "__Host-nexus" if self.is_secure else "nexus"

    def require_known_host(self, connection: HTTPConnection) -> None:
        """Raise UnknownHostError for a request to another name: a page elsewhere may have made it resolve to here."""
        host = connection.headers.get("host", "")
        if host.lower() not in self._hosts:
            raise UnknownHostError(host, f"{self._scheme}://{self._issuer_host}")

    def require_same_origin(self, connection: HTTPConnection) -> None:
        """Raise ForeignRequestError where the browser says that a page of another origin sent the request."""
        headers = connection.headers
        if any(site != "same-origin" for site in headers.getlist("sec-fetch-site")):
            raise ForeignRequestError("the browser reports that a page of another origin sent it")
        if any(origin not in self._origins for origin in headers.getlist("origin")):
            raise ForeignRequestError("a page of another origin sent it")

    def require_own_script(self, connection: HTTPConnection) -> None:
        """Raise ForeignRequestError unless a script of an own page sent the request."""
        if connection.headers.get(CSRF_HEADER) != "1":
            raise ForeignRequestError("the header X-Nexus-CSRF: 1 is missing")
        self.require_same_origin(connection)
