"""How many subscribers a channel has, at all gateway processes together.

Each process keeps the numbers of its channels in one hash in Redis, which expires soon after the process ends. It writes
what changed once a second at most, so that subscribing itself writes nothing, and keeps no more than it has subscribers.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.channels import Channel
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors

_PROCESSES = "gateway:presence"
_WRITE_SECONDS = 1.0
_REFRESH_SECONDS = 5.0
_KEPT_SECONDS = 15
_log = logging.getLogger(__name__)


class Presence:
    """The numbers of subscribers; `counts` are those of this process."""

    def __init__(self, redis: Redis, counts: Callable[[], dict[Channel, int]]) -> None:
        self._redis = redis
        self._counts = counts
        self._key = f"{_PROCESSES}:{secrets.token_hex(8)}"
        self._written: dict[str, int] = {}
        self._written_at = 0.0

    async def count(self, channel: Channel) -> int:
        """Subscribers of the channel; those of other processes a second ago. Raises RedisUnavailableError."""
        own = self._counts().get(channel, 0)
        with translate_redis_errors():
            oldest = time.time() - _KEPT_SECONDS
            processes: Any = await self._redis.zrangebyscore(_PROCESSES, oldest, "+inf")
            async with self._redis.pipeline(transaction=False) as pipe:
                for process in processes:
                    if process != self._key:
                        pipe.hget(process, channel.key)
                return own + sum(int(found or 0) for found in await pipe.execute())

    async def run(self) -> None:
        """Keep the numbers of this process in Redis until cancelled; then forget them."""
        try:
            while True:
                await asyncio.sleep(_WRITE_SECONDS)
                await self._write({channel.key: count for channel, count in self._counts().items()})
        finally:
            await self._write({})

    async def _write(self, counts: dict[str, int]) -> None:
        if counts == self._written and (not counts or time.monotonic() < self._written_at + _REFRESH_SECONDS):
            return
        try:
            with translate_redis_errors():
                await self._update(counts)
        except (RedisUnavailableError, PoolExhaustedError) as error:
            _log.warning("the numbers of subscribers are not written: %s", error)
            self._written = {}  # Redis may have lost them
        else:
            self._written, self._written_at = counts, time.monotonic()

    async def _update(self, counts: dict[str, int]) -> None:
        changed: dict[Any, Any] = dict(counts.items() - self._written.items())
        gone = self._written.keys() - counts.keys()
        now = time.time()
        async with self._redis.pipeline(transaction=True) as pipe:
            if not self._written or not counts:
                pipe.delete(self._key)
            elif gone:
                pipe.hdel(self._key, *gone)
            if changed:
                pipe.hset(self._key, mapping=changed)
            pipe.expire(self._key, _KEPT_SECONDS)
            if counts:
                pipe.zadd(_PROCESSES, {self._key: now})
            else:
                pipe.zrem(_PROCESSES, self._key)
            pipe.zremrangebyscore(_PROCESSES, "-inf", now - _KEPT_SECONDS)
            pipe.expire(_PROCESSES, _KEPT_SECONDS)
            await pipe.execute()
