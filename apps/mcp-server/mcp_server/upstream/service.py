"""One other service, called with a token that stands for the caller."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from mcp_server.errors import ToolError
from mcp_server.upstream.exchange import TokenExchange
from mcp_server.upstream.reading import UnreadableError, describe, explain, read_json
from nexus_chassis.tokens import Principal


@dataclass(frozen=True)
class Upstream:
    """A service that tools call. `name` is its token audience, `scope` what tools need there; `seconds` limits a call."""

    name: str
    url: str
    scope: str
    session: aiohttp.ClientSession
    tokens: TokenExchange
    seconds: float = 30.0

    async def request(
        self,
        method: str,
        path: str,
        caller: Principal,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Call the service for `caller` and give the JSON that it answers.

        Raises:
            ToolError: The service is away, refuses, or answers what is not JSON.
        """
        token = await self.tokens.token(caller, self.name, self.scope)
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        timeout = aiohttp.ClientTimeout(total=self.seconds, connect=2)
        try:
            async with self.session.request(
                method,
                f"{self.url}{path}",
                json=body,
                params=query,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return self._accepted(response.status, await read_json(response))
        except (aiohttp.ClientError, TimeoutError, UnreadableError) as error:
            raise ToolError(f"The call to {self.name} failed: {describe(error)}. Try again later.") from error

    def _accepted(self, status: int, answer: object) -> object:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ToolError(f"{self.name} failed ({status}): {explain(answer)}. Try again later.")
        if status != HTTPStatus.OK:
            raise ToolError(f"{self.name} refuses the call ({status}): {explain(answer)}.")
        return answer

    async def check(self) -> None:
        """One round trip, for a health check; raises when the service does not answer that it may take traffic."""
        async with self.session.get(f"{self.url}/readyz", allow_redirects=False) as response:
            if response.status != HTTPStatus.OK:
                raise ToolError(f"{self.name} answers {response.status} at /readyz")
