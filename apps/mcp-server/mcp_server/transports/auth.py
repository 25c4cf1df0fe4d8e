"""Who may use /mcp, by either transport: pages of allowed origins, and tokens for this service with the scope tools:call."""

from collections.abc import Iterable

from starlette.requests import HTTPConnection

from nexus_chassis.origins import Origins
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier, authenticate, forbidden, unauthorized

SCOPE = "tools:call"

_TOKEN_PREFIX = "bearer."  # noqa: S105 - browsers cannot set headers of a WebSocket: they send "bearer.TOKEN" as a subprotocol


class Authenticator:
    """Authenticates connections. Refusals point to the metadata at `metadata_address` (RFC 9728 section 5.1)."""

    def __init__(self, verifier: TokenVerifier, origins: Origins, metadata_address: str) -> None:
        self._verifier = verifier
        self._origins = origins
        self._metadata_address = metadata_address

    async def authenticate(self, connection: HTTPConnection) -> Principal:
        """Return who sent a request.

        Raises:
            Problem: 403 for a page of another origin or a token without the scope, 401 without a token for this service.
        """
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
