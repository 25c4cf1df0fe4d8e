"""How often one user may call one tool: counted in Redis, for all processes together."""

import logging
import math
import time

from redis.asyncio import Redis

from mcp_server.metrics import CALLS_REFUSED
from mcp_server.upstream.errors import TooManyCallsError
from mcp_server.upstream.rates import RateClasses
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.gcra import ADMIT, NOW
from nexus_chassis.redis_errors import translate_redis_errors

_OPEN_SECONDS = 1.0
_log = logging.getLogger(__name__)

# Counts a call by KEYS[1]; ARGV are its interval and window in microseconds. Returns 0, or the milliseconds to wait.
_COUNT = f"""{ADMIT}{NOW}
local allowed, _, _, wait = admit(now, 1, 1)
return allowed == 1 and 0 or wait
"""


class CallLimiter:
    """Counts calls. While Redis is away all pass uncounted, and at most one a second waits for it."""

    def __init__(self, redis: Redis, classes: RateClasses) -> None:
        self._admit = redis.register_script(_COUNT)
        self._classes = classes
        self._open_until = 0.0

    async def admit(self, rate_class: str, tenant: str, tool: str, subject: str) -> None:
        """Count one call; raises TooManyCallsError."""
        if time.monotonic() < self._open_until:
            return
        rate = self._classes.rates[rate_class]
        interval = max(1, rate.seconds * 1_000_000 // rate.count)
        key = f"mcp:rate:{tenant}:{tool}:{subject}"
        try:
            with translate_redis_errors():
                wait = int(await self._admit(keys=[key], args=[interval, interval * rate.count]))
        except (RedisUnavailableError, PoolExhaustedError) as error:
            _log.warning("calls of tools are not counted for now: %s", error)
            self._open_until = time.monotonic() + _OPEN_SECONDS
            return
        if wait:
            CALLS_REFUSED.labels("rate").inc()
            raise TooManyCallsError(tool, rate.count, rate.seconds, math.ceil(wait / 1000))
