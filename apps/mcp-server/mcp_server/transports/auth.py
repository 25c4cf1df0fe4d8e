"""Who may use /mcp, by either transport: pages of allowed origins, and tokens for this service with the scope tools:call."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from mcp_server.transports.errors import HostNotAllowedError
from nexus_chassis.origins import Origins
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier, authenticate, forbidden, unauthorized

SCOPE = "tools:call"

_TOKEN_PREFIX = "bearer."  # noqa: S105 - browsers cannot set headers of a WebSocket: they send "bearer.TOKEN" as a subprotocol


@dataclass(frozen=True, slots=True)
class Hosts:
    """The host names by which clients may know this service.

    A name that has no dot, and an address, are always permitted: no page of the web can make a browser send those for
    an origin of its own (DNS rebinding).
    """

    names: frozenset[str]

    def require(self, connection: HTTPConnection) -> None:
        """Raise HostNotAllowedError for a request that is for another host."""
        host = connection.headers.get("host", "")
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            raise HostNotAllowedError(host) from None
        if "." in name and name not in self.names and not _is_address(name):
            raise HostNotAllowedError(host)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class Authenticator:
    """Authenticates connections. Refusals point to the metadata at `metadata_address` (RFC 9728 section 5.1)."""

    def __init__(self, verifier: TokenVerifier, hosts: Hosts, origins: Origins, metadata_address: str) -> None:
        self._verifier = verifier
        self._hosts = hosts
        self._origins = origins
        self._metadata_address = metadata_address

    async def authenticate(self, connection: HTTPConnection) -> Principal:
        """Return who sent a request.

        Raises:
            HostNotAllowedError: It is for another host.
            Problem: 403 for a page of another origin or a token without the scope, 401 without a token for this service.
        """
        self._hosts.require(connection)
        self._origins.require(connection)
        try:
            principal = await self._verify(connection)
            if SCOPE not in principal.scopes:
                raise forbidden([SCOPE])
        except Problem as problem:
            raise self._with_metadata(problem) from None
        return principal

    async def _verify(self, connection: HTTPConnection) -> Principal:
        token = _subprotocol_token(connection)
        if token is None or "authorization" in connection.headers:
            return await authenticate(connection)
        try:
            return await self._verifier.verify(token)
        except InvalidTokenError as error:
            raise unauthorized(str(error)) from None

    def challenge(self, scopes: Iterable[str]) -> dict[str, str]:
        """Return the headers that name all scopes a call needs, for clients that can ask for more (RFC 6750 section 3.1)."""
        return self._with_metadata(forbidden([SCOPE, *scopes])).headers

    def _with_metadata(self, problem: Problem) -> Problem:
        if challenge := problem.headers.get("WWW-Authenticate"):
            parameter = f'resource_metadata="{self._metadata_address}"'
            problem.headers["WWW-Authenticate"] = f"{challenge}{',' if '=' in challenge else ''} {parameter}"
        return problem


def _subprotocol_token(connection: HTTPConnection) -> str | None:
    names: list[str] = connection.scope.get("subprotocols", [])
    return next((name.removeprefix(_TOKEN_PREFIX) for name in names if name.startswith(_TOKEN_PREFIX)), None)
