"""Token exchange at the gateway (RFC 8693): a caller's token becomes one for another service, never forwarded itself."""

import asyncio
import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from mcp_server.errors import ToolError
from mcp_server.upstream.reading import UnreadableError, describe, explain, read_json
from nexus_chassis.tokens import Principal

SPARE_SECONDS = 30
"""How long before its end a token is no longer used."""

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name, no secret
_TIMEOUT = aiohttp.ClientTimeout(total=5, connect=2)
_MOST_HELD = 4096
_log = logging.getLogger(__name__)

type _Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    use_until: float


class TokenExchange:
    """Gets tokens for other services, and keeps them while they last."""

    def __init__(self, session: aiohttp.ClientSession, gateway_url: str, client_id: str, secret: str) -> None:
        self._session = session
        self._address = f"{gateway_url}/oauth/token"
        self._authorization = aiohttp.encode_basic_auth(quote_plus(client_id), quote_plus(secret))  # RFC 6749 2.3.1
        self._held: dict[_Key, _Held] = {}
        self._pending: dict[_Key, asyncio.Task[str]] = {}

    async def token(self, caller: Principal, audience: str, scope: str) -> str:
        """Give a token with which to act for `caller` at `audience`; calls at the same time share one exchange.

        Raises:
            ToolError: The gateway is away or refuses.
        """
        key = (caller.token, audience, scope)
        held = self._held.get(key)
        if held is not None and held.use_until > time.time():
            return held.token
        if key not in self._pending:
            self._pending[key] = asyncio.create_task(self._renew(key))
            self._pending[key].add_done_callback(_retrieve)
        return await asyncio.shield(self._pending[key])

    async def _renew(self, key: _Key) -> str:
        try:
            answer = await self._ask(*key)
        finally:
            del self._pending[key]
        token, seconds = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or type(seconds) is not int:
            raise _failed("its answer has no access_token and expires_in")
        self._keep(key, _Held(token, time.time() + seconds - SPARE_SECONDS))
        return token

    async def _ask(self, subject_token: str, audience: str, scope: str) -> dict[str, Any]:
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
                return _granted(response.status, await read_json(response), audience)
        except (aiohttp.ClientError, TimeoutError, UnreadableError) as error:
            raise _failed(describe(error)) from error

    def _keep(self, key: _Key, held: _Held) -> None:
        if len(self._held) >= _MOST_HELD:
            now = time.time()
            self._held = {other: kept for other, kept in self._held.items() if kept.use_until > now}
        if len(self._held) >= _MOST_HELD:
            self._held.clear()
        self._held[key] = held


def _granted(status: int, answer: object, audience: str) -> dict[str, Any]:
    if status == HTTPStatus.UNAUTHORIZED:
        _log.error("the gateway refuses this service's own credentials: see NEXUS_CLIENT_ID, NEXUS_CLIENT_SECRET_FILE")
        raise _failed("it refuses the credentials of mcp-server itself; whoever runs the stack must mend that")
    if status != HTTPStatus.OK or not isinstance(answer, dict):
        raise _failed(f"it refuses a token for {audience} ({status}): {explain(answer)}")
    return answer


def _failed(reason: str) -> ToolError:
    return ToolError(f"The gateway gave no token for this call: {reason}. Try again; if it stays, log in again.")


def _retrieve(task: asyncio.Task[str]) -> None:
    """Take note of the task's error, also when nobody waits for it any more."""
    if not task.cancelled():
        task.exception()
