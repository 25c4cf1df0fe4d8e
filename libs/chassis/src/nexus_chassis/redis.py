"""Redis: the clients of a service."""

import asyncio
from typing import Any, override

from redis import exceptions
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.driver_info import DriverInfo

from nexus_chassis.pool_turn import PoolTurns
from nexus_chassis.settings import RedisSettings, read_secret

ACQUIRE_SECONDS = 5.0
"""How long a command waits for a connection that another one uses."""

MAX_BLOCK_SECONDS = 30.0
"""How long a blocking command on a client of `create_follower` may wait."""

_CONNECTIONS = 64
_TIMEOUT_SECONDS = 2.0

_DRIVER = DriverInfo()  # made once: it reads the package's metadata, which takes milliseconds


class _Pool(ConnectionPool):
    """Waits for a connection in use, and does not report "all in use" as a Redis that is away.

    redis-py's BlockingConnectionPool waits too, costs 15 us more for each command, and loses a connection for ever when
    the task that returns it is cancelled at the wrong moment.
    """

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  redis-py's own options
        super().__init__(**options)
        self._turns = PoolTurns("Redis", self.max_connections)
        self._probe: AbstractConnection | None = None
        self._probing = asyncio.Lock()

    @override
    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        await self._turns.take(ACQUIRE_SECONDS)
        connection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    @override
    async def release(self, connection: AbstractConnection) -> None:
        try:
            await super().release(connection)
        finally:
            self._in_use_connections.discard(connection)
            self._turns.give_back()

    async def probe(self) -> None:
        """One round trip on a connection of its own, which a busy pool does not delay."""
        async with self._probing:
            connection = self._probe = self._probe or self.make_connection()  # type: ignore[no-untyped-call]
            try:
                await self._ping(connection)
            except exceptions.ConnectionError:  # it may have died while it was idle
                await self._ping(connection)

    async def _ping(self, connection: AbstractConnection) -> None:
        try:
            await self.ensure_connection(connection)
            await connection.send_command("PING")
            await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    @override
    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        if self._probe is not None:
            await self._probe.disconnect()


def create_redis(settings: RedisSettings, connections: int = _CONNECTIONS) -> Redis:
    """A client that connects on first use and again after Redis was away; answers are `str`.

    Its commands raise PoolExhaustedError when all connections stay in use.
    """
    return _client(settings, connections, _TIMEOUT_SECONDS)


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
        driver_info=_DRIVER,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.02), 2),
    )
    return Redis.from_pool(pool)


async def check(redis: Redis) -> None:
    """One round trip, for a health check of a client made here; raises when Redis does not answer."""
    pool = redis.connection_pool
    if not isinstance(pool, _Pool):
        raise TypeError(f"The client's pool is a {type(pool).__name__}. Make the client by create_redis.")
    await pool.probe()
