import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nexus_chassis import redis as redis_module
from nexus_chassis.channels import START, Channel, Position, follow
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis import check, create_follower, create_redis
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.settings import RedisSettings
from nexus_testkit.tcp_proxy import TcpProxy


@pytest_asyncio.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    client = create_redis(redis_settings)
    yield client
    await client.aclose()


async def test_the_client_connects_again_after_its_connections_died(redis: Redis, redis_url: str) -> None:
    connection = await redis.client_id()
    async with Redis.from_url(redis_url) as other:
        await other.client_kill_filter(_id=str(connection))

    assert await redis.client_id() != connection


async def test_the_health_check_connects_again_after_its_connection_died(
    redis_settings: RedisSettings, unused_tcp_port: int
) -> None:
    proxy = TcpProxy(redis_settings.redis_url, unused_tcp_port)
    address = proxy.instead_of(redis_settings.redis_url)
    client = create_redis(redis_settings.model_copy(update={"redis_url": address}))
    async with proxy:
        await check(client)
    with pytest.raises(RedisUnavailableError), translate_redis_errors():
        await check(client)
    async with proxy:
        await check(client)
    await client.aclose()


async def test_a_thousand_commands_at_once_are_all_answered(redis: Redis) -> None:
    await redis.set("key", "value")

    assert await asyncio.gather(*(redis.get("key") for _ in range(1000))) == ["value"] * 1000


async def test_a_pool_in_use_is_not_a_redis_that_is_away(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "ACQUIRE_SECONDS", 0.05)
    client = create_redis(redis_settings, connections=2)
    blocked = [asyncio.create_task(client.blpop(["nothing"], timeout=1.5)) for _ in range(2)]  # type: ignore[arg-type]
    await asyncio.sleep(0.1)

    with pytest.raises(PoolExhaustedError) as exhausted, translate_redis_errors():
        await client.ping()

    await check(client)

    assert str(exhausted.value) == "All 2 connections to Redis were in use for 0.05 s."
    assert not any(command.done() for command in blocked)
    await asyncio.gather(*blocked)
    await client.aclose()


async def test_cancelled_commands_cost_no_connection(
    redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_module, "ACQUIRE_SECONDS", 1.0)
    client = create_redis(redis_settings, connections=2)
    for step in range(40):
        commands = [asyncio.create_task(client.incr("count")) for _ in range(6)]
        for _ in range(step):
            await asyncio.sleep(0)
        for command in commands[::2]:
            command.cancel()
        await asyncio.gather(*commands, return_exceptions=True)

    await asyncio.gather(*(client.blpop(["nothing"], timeout=0.3) for _ in range(2)), check(client))  # type: ignore[arg-type]
    await client.aclose()


async def test_followers_wait_on_a_connection_of_their_own(redis: Redis, redis_settings: RedisSettings) -> None:
    follower = create_follower(redis_settings)
    following = asyncio.create_task(
        follow(follower, {Channel.parse("data:news", None): Position("", START)}, seconds=2.5)
    )
    await check(redis)

    assert await following == []
    await follower.aclose()


async def test_a_redis_that_is_away_is_reported(redis_settings: RedisSettings, unused_tcp_port: int) -> None:
    away = redis_settings.model_copy(update={"redis_url": f"redis://127.0.0.1:{unused_tcp_port}/0"})
    client = create_redis(away)

    with pytest.raises(RedisUnavailableError) as unavailable, translate_redis_errors():
        await client.ping()

    assert str(unavailable.value).startswith("Redis does not answer: Error 111 connecting to 127.0.0.1")
    await client.aclose()


async def test_a_redis_that_refuses_writes_is_reported() -> None:
    with pytest.raises(RedisUnavailableError), translate_redis_errors():
        raise ResponseError("MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk.")


async def test_the_error_of_a_wrong_command_passes_unchanged(redis: Redis) -> None:
    await redis.set("key", "value")

    with pytest.raises(ResponseError, match="WRONGTYPE"), translate_redis_errors():
        await redis.lpush("key", "value")
