"""Answers in Redis, each kept by a digest of all that it depends on.

What is asked of the stores is answered within a fraction of a second, found or not: without them everything is computed anew,
and nothing waits. After a failure no request tries for some seconds.
"""

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
from redis.asyncio import Redis
from redis.exceptions import RedisError

from classification_service.cache import repository
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.unit_of_work import Database

WAIT_SECONDS = 0.3
"""How long a request waits for the cache: longer than a busy process takes to come to the answer."""

PAUSE_SECONDS = 5.0
"""How long nothing is asked of the cache after it did not answer."""

KEPT = timedelta(days=7)
COUNTED_DAYS = 100

_ANSWERS = "classification:answers:"
_COUNTS = "classification:cache:"
_AWAY = (
    TimeoutError,
    RedisError,
    RedisUnavailableError,
    asyncpg.PostgresError,
    DatabaseUnavailableError,
    PoolExhaustedError,
)
_log = logging.getLogger(__name__)


def digest(*parts: object) -> str:
    """A key for what depends on these parts, which JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class AnswerCache:
    """Keeps answers, and counts how many were found."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis = redis
        self._database = database
        self._paused_until = 0.0

    async def generation(self, taxonomy: str, version: str) -> int | None:
        """The generation of a taxonomy's labels, a part of each key; None while the cache cannot be used."""

        async def read() -> int:
            async with self._database.read() as connection:
                return await repository.read_generation(connection, taxonomy, version)

        return await self._bounded(read())

    async def find(self, keys: Sequence[str]) -> list[str | None]:
        """What is kept by each key."""
        if not keys:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.mget([_ANSWERS + key for key in keys])
            found = await self._bounded(pipeline.execute())
        return [None] * len(keys) if found is None else list(found[0])

    async def keep(self, values: Mapping[str, str]) -> None:
        """Keep values by their keys."""
        if not values:
            return
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(_ANSWERS + key, value, ex=KEPT)
            await self._bounded(pipeline.execute())

    async def count(self, hits: int, misses: int) -> None:
        """Count items that were found, and others that were looked for."""
        name = _COUNTS + _today().isoformat()
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hincrby(name, "hits", hits)
            pipeline.hincrby(name, "misses", misses)
            pipeline.expire(name, timedelta(days=COUNTED_DAYS))
            await self._bounded(pipeline.execute())

    async def counts(self, days: int) -> dict[str, tuple[int, int]] | None:
        """(hits, misses) of each of the last `days` days that has some, by ISO date; None while Redis is away."""
        names = [(_today() - timedelta(days=back)).isoformat() for back in range(days)]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hmget(_COUNTS + name, "hits", "misses")
            found = await self._bounded(pipeline.execute())
        if found is None:
            return None
        pairs = zip(names, found, strict=True)
        return {name: (int(hits or 0), int(misses or 0)) for name, (hits, misses) in pairs if hits or misses}

    async def _bounded[T](self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result, or None where there is none in time; then others do not wait for a while."""
        if time.monotonic() < self._paused_until:
            work.close()
            return None
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                with translate_redis_errors():
                    return await work
        except _AWAY as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            _log.warning("no answers are kept for %g s: %s", PAUSE_SECONDS, str(error) or "no answer in time")
            return None


def _today() -> date:
    return datetime.now(UTC).date()
