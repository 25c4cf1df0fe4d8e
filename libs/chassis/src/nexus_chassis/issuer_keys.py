"""The public keys of a token issuer."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from nexus_chassis.http import read_at_most
from nexus_chassis.jose import InvalidTokenError, read_keys
from nexus_chassis.problems import Problem
from nexus_chassis.strict_json import loads

KEYS_FRESH_SECONDS = 300.0
KEYS_RETRY_SECONDS = 1.0
_FETCH_SECONDS = 2.0
_MAX_BYTES = 64 * 1024
_NEVER = float("-inf")
_log = logging.getLogger(__name__)

type Fetch = Callable[[str], Awaitable[Any]]
"""Returns the JSON value at a URL."""


async def fetch_json(url: str) -> Any:  # noqa: ANN401  any JSON value
    """The JSON value at `url`, read strictly; raises ClientError, TimeoutError or ValueError."""
    timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session, session.get(url) as response:
        return await read_json_answer(response)


async def read_json_answer(response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401  any JSON value
    """The JSON value in an answer, read strictly; raises ValueError, also for more than 64 KiB."""
    return loads(await read_at_most(response, _MAX_BYTES))


class PublicKeys(Protocol):
    """The public keys of an issuer."""

    async def get(self, key_id: str) -> Ed25519PublicKey:
        """The key; raises InvalidTokenError when the issuer has none of that id, Problem 503 when that is unknown."""


class IssuerKeys:
    """The issuer's public keys by key id, fetched when needed and kept while the issuer is away."""

    def __init__(self, url: str, fetch: Fetch) -> None:
        self._url = url
        self._fetch = fetch
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched = _NEVER
        self._tried = _NEVER
        self._withdrawn = False
        self._lock = asyncio.Lock()

    async def get(self, key_id: str) -> Ed25519PublicKey:
        """The key; raises InvalidTokenError when the issuer has none of that id, Problem 503 when that is unknown."""
        stale = self._withdrawn or time.monotonic() - self._fetched > KEYS_FRESH_SECONDS
        if (stale or key_id not in self._keys) and time.monotonic() - self._tried > KEYS_RETRY_SECONDS:
            await self._refresh()
        elif key_id not in self._keys:
            async with self._lock:  # a fetch may be under way
                pass
        if key_id in self._keys:
            return self._keys[key_id]
        if self._fetched == _NEVER:
            raise keys_unavailable()
        raise InvalidTokenError("it is signed with a key that the issuer does not publish")

    def withdraw(self, key_id: str) -> None:
        """Forget a key at once, and fetch the others anew when the next token is verified."""
        self._keys.pop(key_id, None)
        self._withdrawn = True
        self._tried = _NEVER

    async def _refresh(self) -> None:
        async with self._lock:
            if time.monotonic() - self._tried <= KEYS_RETRY_SECONDS:
                return
            self._tried = time.monotonic()  # who comes meanwhile uses the keys that are known
            try:
                self._withdrawn = False
                self._keys = read_keys(await self._fetch(self._url))
                self._fetched = time.monotonic()
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                _log.warning("cannot fetch the keys at %s: %r", self._url, error)
            finally:
                self._tried = time.monotonic()


def keys_unavailable() -> Problem:
    """The refusal of a token that cannot be verified, because no key is known."""
    return Problem(
        503,
        "token-keys-unavailable",
        "Access tokens cannot be verified now",
        "The keys of the token issuer could not be fetched. Try again in a few seconds.",
        headers={"Retry-After": "5"},
    )
