from collections.abc import AsyncIterator

import pytest_asyncio
from redis.asyncio import Redis

from nexus_chassis.channels import Event, Position, follow, history, position, publish, publish_all, stream_key
from nexus_chassis.redis import check, create_redis
from nexus_chassis.settings import RedisSettings


@pytest_asyncio.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    client = create_redis(redis_settings)
    yield client
    await client.aclose()


async def test_what_is_published_is_in_the_history(redis: Redis) -> None:
    start = await position(redis, "news")
    first = await publish(redis, "news", {"id": 1})
    second = await publish(redis, "news", ["two"])

    assert await history(redis, "news", start) == [
        Event("news", start.epoch, first.offset, {"id": 1}),
        Event("news", start.epoch, second.offset, ["two"]),
    ]
    assert await history(redis, "news", second) == []
    assert await position(redis, "news") == second


async def test_an_empty_channel_has_a_beginning(redis: Redis) -> None:
    start = await position(redis, "news")

    assert start == Position(start.epoch, "0-0")
    assert await history(redis, "news", start) == []


async def test_only_an_empty_channel_is_forgotten(redis: Redis) -> None:
    await position(redis, "news")
    empty = await redis.ttl(f"{stream_key('news')}:epoch")
    await publish(redis, "news", 1)
    await position(redis, "news")

    assert 86390 <= empty <= 86400
    assert await redis.ttl(f"{stream_key('news')}:epoch") == -1


async def test_events_published_together_are_in_the_history_in_order(redis: Redis) -> None:
    start = await position(redis, "news")
    places = await publish_all(redis, "news", ["one", "two"])

    assert await history(redis, "news", start) == [
        Event("news", start.epoch, place.offset, data) for place, data in zip(places, ("one", "two"), strict=True)
    ]


async def test_followers_hear_what_comes_next(redis: Redis) -> None:
    places = {name: await position(redis, name) for name in ("news", "weather")}
    sent = [await publish(redis, name, name) for name in ("news", "weather")]

    assert await follow(redis, places, seconds=0.1) == [
        Event("news", places["news"].epoch, sent[0].offset, "news"),
        Event("weather", places["weather"].epoch, sent[1].offset, "weather"),
    ]
    assert await follow(redis, dict(zip(places, sent, strict=True)), seconds=0.05) == []


async def test_lost_history_is_told(redis: Redis) -> None:
    early = await publish(redis, "news", 0)
    await publish(redis, "news", 1)
    last = await publish(redis, "news", 2)
    await redis.xtrim(stream_key("news"), maxlen=1, approximate=False)

    assert await history(redis, "news", early) is None
    assert await history(redis, "news", last) == []


async def test_a_new_epoch_is_told(redis: Redis) -> None:
    before = await publish(redis, "news", 1)
    await redis.flushdb()
    await publish(redis, "news", 1)

    assert await history(redis, "news", before) is None


async def test_the_client_connects_again_after_its_connections_died(redis: Redis, redis_url: str) -> None:
    connection = await redis.client_id()
    async with Redis.from_url(redis_url) as other:
        await other.client_kill_filter(_id=str(connection))

    await check(redis)
    assert await redis.client_id() != connection
