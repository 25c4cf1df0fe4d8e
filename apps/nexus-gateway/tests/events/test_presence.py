"""The number of a channel's subscribers, at all replicas of the gateway."""

import aiohttp
import pytest
from conftest import Mint
from redis.asyncio import Redis
from websocket_client import CHANNEL, Client, client_of

from nexus_gateway.app import create_app
from nexus_gateway.events import presence
from nexus_testkit import serving
from nexus_testkit.waiting import until

SOON_SECONDS = 5
"""Before the numbers of a process expire, so that what is gone was taken away."""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are written ten times as often."""
    monkeypatch.setattr(presence, "_WRITE_SECONDS", 0.1)
    monkeypatch.setattr(presence, "_REFRESH_SECONDS", 0.5)


async def count(http: aiohttp.ClientSession, gateway: str, headers: dict[str, str], channel: str = CHANNEL) -> int:
    async with http.get(f"{gateway}/v1/channels/{channel}/presence", headers=headers) as response:
        body = await response.json()
    assert body == {"channel": channel, "subscribers": body["subscribers"]}
    return int(body["subscribers"])


async def until_counted(http: aiohttp.ClientSession, gateway: str, headers: dict[str, str], number: int) -> None:
    async def counted() -> bool:
        return await count(http, gateway, headers) == number

    await until(counted, SOON_SECONDS)


async def test_subscribers_of_all_replicas_are_counted(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], mint: Mint
) -> None:
    stream = f"{gateway}/v1/events?channel={CHANNEL}"
    async with (
        serving(create_app()) as replica,
        client_of(gateway, admin) as one,
        client_of(replica, admin) as two,
        http.get(stream, headers=admin),
    ):

        async def counted(number: int) -> None:
            """Both replicas say so, soon."""
            for url in (gateway, replica):
                await until_counted(http, url, admin, number)

        await counted(1)
        for client in (one, two):
            await client.ask(op="subscribe", channel=CHANNEL)
            await client.ask(op="subscribe", channel="app:x")
        await counted(3)
        assert await count(http, gateway, mint("data:read", tenant="acme")) == 0
        await two.ask(op="unsubscribe", channel=CHANNEL)
        await counted(2)
        assert await count(http, gateway, admin, "app:x") == 2
    await until_counted(http, gateway, admin, 0)


async def test_the_number_of_a_process_that_died_expires(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "_KEPT_SECONDS", 1)
    await redis.zadd("gateway:presence", {"gateway:presence:dead": 2e9})
    await redis.hset("gateway:presence:dead", "nexus:channel:default:data:product", "7")
    counted = await count(http, gateway, admin)
    await redis.zadd("gateway:presence", {"gateway:presence:dead": 1e9})

    assert (counted, await count(http, gateway, admin)) == (7, 0)


async def test_redis_holds_the_numbers_of_subscribers_there_are_and_no_others(client: Client, redis: Redis) -> None:
    for number in range(50):
        await client.ask(op="subscribe", channel=f"app:{number}")

    async def all_are_held() -> bool:
        return [await redis.hlen(key) for key in await redis.keys("gateway:presence:*")] == [50]

    async def nothing_is_left() -> bool:
        return await redis.keys("gateway:presence*") == []

    await until(all_are_held, SOON_SECONDS)
    (key,) = await redis.keys("gateway:presence:*")
    assert 0 < await redis.ttl(key) <= 15
    for number in range(50):
        await client.ask(op="unsubscribe", channel=f"app:{number}")
    await until(nothing_is_left, SOON_SECONDS)


@pytest.mark.parametrize(("channel", "status"), [(CHANNEL, 403), ("user:bob", 403), ("x", 400), ("app:x", 200)])
async def test_who_may_not_subscribe_may_not_count(
    gateway: str, http: aiohttp.ClientSession, mint: Mint, channel: str, status: int
) -> None:
    async with http.get(f"{gateway}/v1/channels/{channel}/presence", headers=mint()) as response:
        assert response.status == status
