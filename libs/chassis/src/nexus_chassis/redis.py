"""Redis: the client of a service."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from nexus_chassis.settings import RedisSettings, read_secret

_TIMEOUT_SECONDS = 2.0
_MAX_CONNECTIONS = 64


def create_redis(settings: RedisSettings) -> Redis:
    """A client that connects on first use and again after Redis was away; answers are `str`."""
    return Redis.from_url(
        settings.redis_url,
        password=read_secret(settings.redis_password_file, "NEXUS_REDIS_PASSWORD_FILE"),
        decode_responses=True,
        socket_timeout=_TIMEOUT_SECONDS,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        max_connections=_MAX_CONNECTIONS,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
    )


async def check(redis: Redis) -> None:
    """One round trip, for a health check; raises when Redis does not answer."""
    await redis.ping()
