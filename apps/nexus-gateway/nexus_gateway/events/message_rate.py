"""How fast a principal may publish and subscribe: a token bucket for each, in this process."""

import math
import time

from cachetools import LRUCache

from nexus_chassis.tokens import Principal
from nexus_gateway.events.errors import TooManyMessagesError

PER_SECOND = 100
"""Messages a second that a principal may send for long."""

BURST = 2000
"""Messages that it may send at once: enough for all its connections to subscribe again to all their channels."""

_MAX_PRINCIPALS = 10_000


class MessageRate:
    """Refuses the messages of a principal that are above its rate."""

    def __init__(self) -> None:
        self._buckets: LRUCache[tuple[str | None, str], tuple[float, float]] = LRUCache(_MAX_PRINCIPALS)

    async def admit(self, principal: Principal) -> None:
        """Count a message; raises TooManyMessagesError."""
        name, now = (principal.tenant, principal.subject), time.monotonic()
        left, since = self._buckets.get(name, (float(BURST), now))
        left = min(float(BURST), left + (now - since) * PER_SECOND)
        if left < 1:
            raise TooManyMessagesError(math.ceil((1 - left) / PER_SECOND))
        self._buckets[name] = left - 1, now
