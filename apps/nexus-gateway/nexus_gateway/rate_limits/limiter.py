"""Counts what has no session to check: requests of strangers, and messages on open connections."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.limit_rules import ANONYMOUS
from nexus_gateway.auth.limits import Charge, Usage
from nexus_gateway.metrics import LIMITER_OPEN
from nexus_gateway.rate_limits.charges import Charges

_PATIENCE_SECONDS = 1.0
_OPEN_SECONDS = 1.0

type Count = Callable[[Charge], Awaitable[Usage | None]]
"""Counts by the limits of a charge; raises RateLimitedError or RedisUnavailableError."""


class RateLimiter:
    """Raises RateLimitedError. While Redis is away, everything passes uncounted, and at most once a second waits for it."""

    def __init__(self, charges: Charges, count: Count) -> None:
        self.charges = charges
        self._count = count
        self._open_until = 0.0

    async def admit_stranger(self, address: str, rate_class: str = ANONYMOUS) -> Usage | None:
        """Count a request of whoever is at an address."""
        return await self._admit(self.charges.of_stranger(address, rate_class))

    async def admit_message(self, principal: Principal) -> None:
        """Count a message on an open connection of the principal."""
        await self._admit(self.charges.of_message(principal))

    async def _admit(self, charge: Charge) -> Usage | None:
        if time.monotonic() >= self._open_until:
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    return await self._count(charge)
            except (RedisUnavailableError, PoolExhaustedError, TimeoutError):
                self._open_until = time.monotonic() + _OPEN_SECONDS
        LIMITER_OPEN.inc()
        return None
