"""Requests to a provider: to addresses that its operator and ours have chosen, bounded in time and size."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from nexus_chassis import strict_json
from nexus_chassis.http import read_at_most
from nexus_gateway.oidc.errors import ProviderUnavailableError

SECONDS = 5
"""How long one request to a provider may take."""

_MAX_BYTES = 256 * 1024
_CONNECTIONS = 16
_OK = 200


class JsonAnswer(NamedTuple):
    """An answer with a JSON object."""

    status: int
    content: dict[str, Any]


class ProviderHttp:
    """Sends requests, never follows redirects, and reads JSON strictly. Raises ProviderUnavailableError."""

    def __init__(self, label: str, session: aiohttp.ClientSession) -> None:
        self._label = label
        self._session = session

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> JsonAnswer:
        """The answer to one request."""
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        timeout = aiohttp.ClientTimeout(total=SECONDS)
        try:
            async with self._session.request(
                method, url, data=body, headers=sent, timeout=timeout, allow_redirects=False
            ) as response:
                content = strict_json.loads(await read_at_most(response, _MAX_BYTES))
        except TimeoutError:
            raise self.unavailable(f"{url} did not answer within {SECONDS} s") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self.unavailable(f"{url} cannot be read: {error!r}") from None
        if not isinstance(content, dict):
            raise self.unavailable(f"{url} answered something else than a JSON object")
        return JsonAnswer(response.status, content)

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at an address."""
        answer = await self.request("GET", url, headers=headers)
        if answer.status != _OK:
            raise self.unavailable(f"{url} answered {answer.status}")
        return answer.content

    def unavailable(self, reason: str) -> ProviderUnavailableError:
        """The error for a provider that cannot be used."""
        return ProviderUnavailableError(self._label, reason)


def create_session(ca_file: Path | None) -> aiohttp.ClientSession:
    """A session for one provider, which trusts the certificates of `ca_file` besides the system's."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context, limit=_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,  # a few bytes could become many
    )
