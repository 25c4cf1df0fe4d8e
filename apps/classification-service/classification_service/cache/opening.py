"""Opens the cache."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from classification_service.cache.service import AnswerCache
from classification_service.cache.settings import CacheSettings
from nexus_chassis import redis
from nexus_chassis.errors import ConfigurationError
from nexus_chassis.health import Health
from nexus_chassis.unit_of_work import Database


@asynccontextmanager
async def open_cache(
    settings: CacheSettings, database: Database | None, health: Health
) -> AsyncIterator[AnswerCache | None]:
    """The cache, with its health check; None where the settings name no Redis. Raises ConfigurationError."""
    if settings.redis is None:
        yield None
        return
    if database is None:
        raise ConfigurationError("NEXUS_REDIS_URL needs NEXUS_POSTGRES_URL: answers are kept until a correction there.")
    async with redis.create_redis(settings.redis) as client:
        health.add("redis", lambda: redis.check(client), critical=False)
        yield AnswerCache(client)
