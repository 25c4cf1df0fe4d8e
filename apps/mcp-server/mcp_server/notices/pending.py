"""The topics with news for one client. News that a slow client has not taken yet is not kept twice."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from mcp_server.notices.topics import concerns
from nexus_chassis.principal import Principal


class Pending:
    """Collects topics that concern a principal until they are taken."""

    def __init__(self, principal: Principal) -> None:
        self._principal = principal
        self._topics: dict[str, None] = {}
        self._changed = asyncio.Event()

    def add(self, topic: str, fields: Mapping[str, str]) -> None:
        """Take note of news on a topic, unless they are of another tenant."""
        if not concerns(self._principal, fields):
            return
        self._topics[topic] = None
        self._changed.set()

    def wake(self) -> None:
        """Let `take` return at once."""
        self._changed.set()

    async def take(self, seconds: float, ends_at: float) -> list[str]:
        """Return the topics with news, after a wait for the first: up to `seconds`, or to `ends_at`, in seconds since 1970."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, max(0.0, ends_at - time.time()))):
                await self._changed.wait()
        self._changed.clear()
        topics = list(self._topics)
        self._topics.clear()
        return topics
