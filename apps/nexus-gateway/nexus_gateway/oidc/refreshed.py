"""Values that a provider publishes."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from nexus_gateway.oidc.errors import ProviderUnavailableError

FRESH_SECONDS = 3600.0
RETRY_SECONDS = 10.0
_NEVER = float("-inf")
_log = logging.getLogger(__name__)


class Refreshed[T]:
    """A value that is fetched when it is needed, at most every few seconds, and kept while the provider is away."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._value: T | None = None
        self._fetched = self._tried = _NEVER
        self._failure: ProviderUnavailableError | None = None
        self._lock = asyncio.Lock()
        self._now = time.monotonic

    async def get(self, suffices: Callable[[T], bool] = lambda _: True) -> T:
        """The value, fetched anew where it is old or does not suffice; raises ProviderUnavailableError if there is none."""
        async with self._lock:
            is_due = self._now() - self._tried >= RETRY_SECONDS
            if is_due and not self._is_good(suffices):
                await self._refresh()
        if self._value is None:
            raise self._failure or RuntimeError("nothing was fetched")
        return self._value

    def _is_good(self, suffices: Callable[[T], bool]) -> bool:
        is_fresh = self._now() - self._fetched < FRESH_SECONDS
        return is_fresh and self._value is not None and suffices(self._value)

    async def _refresh(self) -> None:
        self._tried = self._now()
        try:
            self._value = await self._fetch()
            self._fetched = self._now()
        except ProviderUnavailableError as error:
            self._failure = error
            _log.warning("cannot refresh what a provider publishes: %s", error)
