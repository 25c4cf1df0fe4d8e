"""Token exchange at the gateway (RFC 8693).

The token of a caller is exchanged for one that another service accepts; it is never forwarded itself.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

import aiohttp
from cachetools import TLRUCache

from mcp_server.upstream.errors import TokenExchangeError, UnreadableAnswerError
from mcp_server.upstream.responses import describe, read_json, reason_of
from nexus_chassis.tokens import Principal

SPARE_SECONDS = 30
"""How long before its end a token is no longer used."""

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret
_TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)
_MAX_CACHED = 4096
_log = logging.getLogger(__name__)

type _Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Issued:
    token: str
    use_until: float


class TokenExchange:
    """Gets tokens for other services, and caches them until shortly before they expire."""

    def __init__(self, session: aiohttp.ClientSession, gateway_url: str, client_id: str, secret: str) -> None:
        self._session = session
        self._address = f"{gateway_url}/oauth/token"
        self._authorization = aiohttp.encode_basic_auth(quote_plus(client_id), quote_plus(secret))  # RFC 6749 2.3.1
        self._cache: TLRUCache[_Key, _Issued] = TLRUCache(_MAX_CACHED, ttu=_use_until, timer=time.time)
        self._pending: dict[_Key, asyncio.Task[str]] = {}

    async def token(self, principal: Principal, audience: str, scope: str) -> str:
        """Return a token with which to act for `principal` at `audience`; calls at the same time share one exchange.

        Raises:
            TokenExchangeError: The gateway is away or refuses.
        """
        key = (principal.token, audience, scope)
        if (issued := self._cache.get(key)) is not None:
            return issued.token
        if key not in self._pending:
            self._pending[key] = asyncio.create_task(self._renew(key))
            self._pending[key].add_done_callback(_retrieve)
        return await asyncio.shield(self._pending[key])

    async def _renew(self, key: _Key) -> str:
        try:
            answer = await self._request(*key)
        finally:
            del self._pending[key]
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or type(seconds) is not int:
            raise TokenExchangeError("its answer has no access_token and expires_in")
        self._cache[key] = _Issued(token, time.time() + seconds - SPARE_SECONDS)
        return token

    async def _request(self, subject_token: str, audience: str, scope: str) -> dict[str, Any]:
        form = {
            "grant_type": _GRANT_TYPE,
            "subject_token": subject_token,
            "subject_token_type": _TOKEN_TYPE,
            "audience": audience,
            "scope": scope,
        }
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        try:
            async with self._session.post(
                self._address, data=form, headers=headers, timeout=_TIMEOUT, allow_redirects=False
            ) as response:
                return _granted(response.status, await read_json(response, _refuse_large), audience)
        except (aiohttp.ClientError, TimeoutError, UnreadableAnswerError) as error:
            raise TokenExchangeError(describe(error)) from error


async def _refuse_large(_size: int) -> None:
    raise UnreadableAnswerError("its answer is longer than a token can be")


def _use_until(_key: _Key, issued: _Issued, _now: float) -> float:
    return issued.use_until


def _granted(status: int, answer: object, audience: str) -> dict[str, Any]:
    if status == HTTPStatus.UNAUTHORIZED:
        _log.error("the gateway refuses this service's own credentials: see NEXUS_CLIENT_ID, NEXUS_CLIENT_SECRET_FILE")
        raise TokenExchangeError(
            "it refuses the credentials of mcp-server itself; whoever runs the stack must fix that"
        )
    if status != HTTPStatus.OK or not isinstance(answer, dict):
        raise TokenExchangeError(f"it refuses a token for {audience} ({status}): {reason_of(answer)}")
    return answer


def _retrieve(task: asyncio.Task[str]) -> None:
    """Take note of the task's error, also when nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
