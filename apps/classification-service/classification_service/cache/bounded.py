"""Asks a store that may be away or hang, so that no request waits for it."""

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any

import asyncpg
from redis.exceptions import RedisError

from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

WAIT_SECONDS = 0.3
"""How long a request waits where nothing is wrong without an answer: longer than a busy process takes to come to it."""

PAUSE_SECONDS = 5.0
"""How long nothing is asked after there was no answer."""

_AWAY = (
    TimeoutError,
    RedisError,
    RedisUnavailableError,
    asyncpg.PostgresError,
    DatabaseUnavailableError,
    PoolExhaustedError,
)
_log = logging.getLogger(__name__)


class Bounded:
    """One store, waited for so many seconds; `effect` says in its log line what is missing while it is away."""

    def __init__(self, effect: str, seconds: float = WAIT_SECONDS) -> None:
        self._effect = effect
        self._seconds = seconds
        self._paused_until = 0.0

    async def run[T](self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result, or None where there is none in time; then others do not wait for a while."""
        if time.monotonic() < self._paused_until:
            work.close()
            return None
        try:
            async with asyncio.timeout(self._seconds):
                with translate_redis_errors():
                    return await work
        except _AWAY as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            _log.warning("%s for %g s: %s", self._effect, PAUSE_SECONDS, str(error) or "no answer in time")
            return None
