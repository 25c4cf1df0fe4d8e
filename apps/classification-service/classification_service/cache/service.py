"""Answers in Redis, each kept by a digest of all that it depends on.

What is asked of Redis is answered within a fraction of a second, found or not: without it everything is computed anew, and
nothing waits. After a failure no request tries for some seconds.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from redis.asyncio import Redis

from classification_service.cache.bounded import Bounded

KEPT = timedelta(days=7)
COUNTED_DAYS = 100

_ANSWERS = "classification:answers:"
_COUNTS = "classification:cache:"


def digest(*parts: object) -> str:
    """A key for what depends on these parts, which JSON can hold."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class AnswerCache:
    """Keeps answers, and counts how many were found."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._store = Bounded("no answers are kept")

    async def find(self, keys: Sequence[str]) -> list[str | None]:
        """What is kept by each key."""
        if not keys:
            return []
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.mget([_ANSWERS + key for key in keys])
            found = await self._store.run(pipeline.execute())
        return [None] * len(keys) if found is None else list(found[0])

    async def keep(self, values: Mapping[str, str]) -> None:
        """Keep values by their keys."""
        if not values:
            return
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(_ANSWERS + key, value, ex=KEPT)
            await self._store.run(pipeline.execute())

    async def count(self, hits: int, misses: int) -> None:
        """Count items that were found, and others that were looked for."""
        name = _COUNTS + _today().isoformat()
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.hincrby(name, "hits", hits)
            pipeline.hincrby(name, "misses", misses)
            pipeline.expire(name, timedelta(days=COUNTED_DAYS))
            await self._store.run(pipeline.execute())

    async def counts(self, days: int) -> dict[str, tuple[int, int]] | None:
        """(hits, misses) of each of the last `days` days that has some, by ISO date; None while Redis is away."""
        names = [(_today() - timedelta(days=back)).isoformat() for back in range(days)]
        async with self._redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hmget(_COUNTS + name, "hits", "misses")
            found = await self._store.run(pipeline.execute())
        if found is None:
            return None
        pairs = zip(names, found, strict=True)
        return {name: (int(hits or 0), int(misses or 0)) for name, (hits, misses) in pairs if hits or misses}


def _today() -> date:
    return datetime.now(UTC).date()
