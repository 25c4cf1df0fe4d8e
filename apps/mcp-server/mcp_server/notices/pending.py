"""The topics with news for one client. News that a slow client has not taken yet is not kept twice."""

import asyncio
import time
from contextlib import suppress


class Pending:
    """Collects topics until they are taken."""

    def __init__(self) -> None:
        self._topics: dict[str, None] = {}
        self._changed = asyncio.Event()

    def add(self, topic: str, _fields: dict[str, str] | None = None) -> None:
        """Take note of news on a topic."""
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
