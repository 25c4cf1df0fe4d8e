"""Redis: the clients of a service."""

from typing import Any, override

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

from nexus_chassis.errors import PoolExhaustedError
from nexus_chassis.settings import RedisSettings, read_secret

ACQUIRE_SECONDS = 5.0
"""How long a command waits for a connection that another one uses."""

MAX_BLOCK_SECONDS = 30.0
"""How long a blocking command on a client of `create_follower` may wait."""

_CONNECTIONS = 64
_TIMEOUT_SECONDS = 2.0


class _Pool(BlockingConnectionPool):
    """Waits for a connection in use, and does not report "all in use" as a Redis that is away."""

    @override
    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        try:
            return await super().get_connection()  # type: ignore[no-untyped-call]
        except RedisConnectionError as error:
            if isinstance(error.__cause__, TimeoutError) and not self.can_get_connection():
                raise PoolExhaustedError("Redis", self.max_connections, ACQUIRE_SECONDS) from None
            raise


def create_redis(settings: RedisSettings) -> Redis:
    """A client that connects on first use and again after Redis was away; answers are `str`.

    Its commands raise PoolExhaustedError when all connections stay in use.
    """
    return _client(settings, _CONNECTIONS, _TIMEOUT_SECONDS)


def create_follower(settings: RedisSettings) -> Redis:
    """A client with one connection of its own, for commands that block (`channels.follow`)."""
    return _client(settings, 1, MAX_BLOCK_SECONDS + _TIMEOUT_SECONDS)


def _client(settings: RedisSettings, connections: int, seconds: float) -> Redis:
    pool = _Pool.from_url(
        settings.redis_url,
        password=read_secret(settings.redis_password_file, "NEXUS_REDIS_PASSWORD_FILE"),
        decode_responses=True,
        socket_timeout=seconds,
        socket_connect_timeout=_TIMEOUT_SECONDS,
        max_connections=connections,
        timeout=ACQUIRE_SECONDS,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
    )
    return Redis.from_pool(pool)


async def check(redis: Redis) -> None:
    """One round trip, for a health check; raises when Redis does not answer."""
    await redis.ping()
