"""One other service, called with a token that stands for the principal."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypedDict, Unpack

import aiohttp

from mcp_server.upstream.errors import (
    UnreadableAnswerError,
    UpstreamFailedError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from mcp_server.upstream.responses import Reserve, describe, read_json, reason_of
from mcp_server.upstream.token_exchange import TokenExchange
from nexus_chassis.tokens import Principal

_CONNECT_SECONDS = 2


class Request(Protocol):
    """On whose behalf a call is made."""

    @property
    def principal(self) -> Principal:
        """Who sent it."""

    async def reserve(self, size: int) -> None:
        """Reserve memory for an answer of `size` bytes until the request ends."""


class Sent(TypedDict, total=False):
    """What a call may send: a body of JSON, and parameters of the query and header fields by their names."""

    body: object
    query: Mapping[str, str] | None
    headers: Mapping[str, str] | None


@dataclass(frozen=True)
class Upstream:
    """A service that tools call.

    `name` is the audience of its tokens, `scope` what tools need there. A call ends after `timeout_seconds`, which
    agrees with the gateway's route to the same service.
    """

    name: str
    url: str
    scope: str
    session: aiohttp.ClientSession
    tokens: TokenExchange
    timeout_seconds: float

    async def request(self, method: str, path: str, request: Request, **sent: Unpack[Sent]) -> Any:  # noqa: ANN401 - any JSON value
        """Call the service on behalf of `request` and return the JSON of its answer; None after a DELETE.

        Raises:
            AgentFacingError: No token could be had; the service is away, failed, refused, or its answer is not JSON.
        """
        answer, _ = await self.tagged_request(method, path, request, **sent)
        return answer

    async def tagged_request(
        self, method: str, path: str, request: Request, **sent: Unpack[Sent]
    ) -> tuple[Any, str | None]:
        """Do the same, and return the ETag of the answer beside it; None where it has none."""
        token = await self.tokens.token(request.principal, self.name, self.scope)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json", **(sent.get("headers") or {})}
        try:
            async with self.session.request(
                method,
                f"{self.url}{path}",
                json=sent.get("body"),
                params=sent.get("query"),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self.timeout_seconds, connect=_CONNECT_SECONDS),
                allow_redirects=False,
            ) as response:
                if method == "DELETE" and response.status == HTTPStatus.NO_CONTENT:
                    return None, None
                answer = self._accepted(response.status, await read_json(response, request.reserve))
                return answer, response.headers.get("ETag")
        except (aiohttp.ClientError, TimeoutError, UnreadableAnswerError) as error:
            raise UpstreamUnavailableError(self.name, describe(error)) from error

    async def document(self, reserve: Reserve) -> Any:  # noqa: ANN401 - any JSON value
        """Return the OpenAPI document of the service, which needs no token; raises AgentFacingError."""
        try:
            async with self.session.get(f"{self.url}/openapi.json", allow_redirects=False) as response:
                return self._accepted(response.status, await read_json(response, reserve))
        except (aiohttp.ClientError, TimeoutError, UnreadableAnswerError) as error:
            raise UpstreamUnavailableError(self.name, describe(error)) from error

    def _accepted(self, status: int, answer: object) -> object:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise UpstreamFailedError(self.name, status, reason_of(answer))
        if status != HTTPStatus.OK:
            raise UpstreamRefusedError(self.name, status, reason_of(answer))
        return answer

    async def check(self) -> None:
        """Make one round trip, for a health check; raises when the service does not answer that it is ready."""
        async with self.session.get(f"{self.url}/readyz", allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise UpstreamFailedError(self.name, response.status, "it is not ready")
