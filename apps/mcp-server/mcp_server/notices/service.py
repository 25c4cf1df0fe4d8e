"""Tells every worker process of every replica what changed, by one stream in Redis.

A notice has a topic and a few short fields. Nothing is kept for those who were away: a notice says where to look again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

STREAM = "mcp:notices"
MAX_KEPT = 10_000

_BLOCK_MILLISECONDS = 20_000
_BATCH = 1000
_RETRY_SECONDS = 1.0
_log = logging.getLogger(__name__)

type Fields = dict[str, str]
type Listener = Callable[[str, Fields], None]


class Notices:
    """The notices of one worker process: it publishes on `redis`, and follows the stream on `follower`."""

    def __init__(self, redis: Redis, follower: Redis) -> None:
        self._redis = redis
        self._follower = follower
        self._listeners: dict[str, set[Listener]] = {}
        self._position: str | None = None
        self._is_away = False

    async def publish(self, topic: str, **fields: str) -> None:
        """Send a notice to every process, this one included.

        Raises:
            RedisUnavailableError: It could not be sent.
        """
        with translate_redis_errors():
            entry: dict[Any, Any] = {"topic": topic, **fields}
            await self._redis.xadd(STREAM, entry, maxlen=MAX_KEPT, approximate=True)

    @contextmanager
    def listening(self, listener: Listener, *topics: str) -> Iterator["Listening"]:
        """Call `listener` with the topic and the fields of each notice on these topics."""
        listening = Listening(self._listeners, listener)
        listening.follow(topics)
        try:
            yield listening
        finally:
            listening.follow(())

    def deliver(self, topic: str, fields: Fields) -> bool:
        """Call the listeners of this process; returns whether there is one."""
        listeners = self._listeners.get(topic, ())
        for listener in tuple(listeners):
            listener(topic, fields)
        return bool(listeners)

    async def follow(self) -> None:
        """Deliver what every process publishes, until cancelled; goes on by itself after Redis was away."""
        while True:
            try:
                with translate_redis_errors():
                    await self._follow()
            except RedisUnavailableError as error:
                if not self._is_away:
                    _log.warning("notices of other processes are not received for now: %s", error)
                self._is_away = True
                self._position = None  # what was missed is gone, and the stream may be another one
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        if self._position is None:
            newest: Any = await self._follower.xrevrange(STREAM, count=1)
            self._position = newest[0][0] if newest else "0-0"
            self._is_away = False
        while True:
            found: Any = await self._follower.xread({STREAM: self._position}, count=_BATCH, block=_BLOCK_MILLISECONDS)
            for self._position, fields in _entries(found):
                with suppress(KeyError):
                    self.deliver(fields.pop("topic"), fields)


class Listening:
    """The topics that one listener follows."""

    def __init__(self, listeners: dict[str, set[Listener]], listener: Listener) -> None:
        self._listeners = listeners
        self._listener = listener
        self._topics: set[str] = set()

    def follow(self, topics: Iterable[str]) -> None:
        """Follow these topics, and no longer any other."""
        wanted = set(topics)
        for topic in wanted - self._topics:
            self._listeners.setdefault(topic, set()).add(self._listener)
        for topic in self._topics - wanted:
            self._listeners[topic].discard(self._listener)
            if not self._listeners[topic]:
                del self._listeners[topic]
        self._topics = wanted


def _entries(found: Any) -> list[tuple[str, Fields]]:  # noqa: ANN401  differs between versions of the protocol
    """The entries of the one stream that was read."""
    batches = found.items() if isinstance(found, dict) else found
    entries = [entry for _, entries in batches for entry in entries]
    return entries[0] if entries and isinstance(entries[0], list) else entries
