"""What is left of readers that are too slow, never read, or go."""

import asyncio
import json
from contextlib import suppress
from functools import partial

import pytest
from redis.asyncio import Redis
from websocket_client import CHANNEL, PRODUCT, client_of
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from nexus_chassis.channels import publish
from nexus_chassis.websocket_protocol import DirectProtocol
from nexus_gateway.events import connection as connection_module
from nexus_testkit import waiting

until = partial(waiting.until, seconds=20)

OWN_TASKS = 1
"""Of a client: the one that sends keepalive pings."""


async def publish_much(redis: Redis, count: int) -> None:
    """More than sockets buffer, at once."""
    async with redis.pipeline() as pipe:
        for number in range(count):
            pipe.xadd(PRODUCT.key, {"data": json.dumps({"n": number, "text": "x" * 100_000}), "epoch": "1"})
        await pipe.execute()


async def test_a_reader_that_is_too_slow_is_closed_and_can_resume(
    gateway: str, admin: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_WAITING_BYTES", 500_000)
    before = len(asyncio.all_tasks())
    async with client_of(gateway, admin, max_queue=1) as client:
        await client.ask(op="subscribe", channel=CHANNEL)
        await publish_much(redis, 300)
        await until(lambda: len(asyncio.all_tasks()) <= before + OWN_TASKS)  # the gateway does not wait for it any more
        assert await drained(client.socket) == 4408

    async with client_of(gateway, admin) as client:
        await client.ask(op="subscribe", channel=CHANNEL, epoch="", offset="0-0")
        assert [(await client.receive())["data"]["n"] for _ in range(300)] == list(range(300))


async def drained(socket: ClientConnection) -> int | None:
    async with asyncio.timeout(20):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code


async def test_a_reader_that_never_reads_is_forgotten(
    gateway: str, admin: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_WAITING_BYTES", 500_000)
    monkeypatch.setattr(DirectProtocol, "close_seconds", 0.1)
    before = len(asyncio.all_tasks())
    async with client_of(gateway, admin, max_queue=1) as client:
        await client.ask(op="subscribe", channel=CHANNEL)
        await publish_much(redis, 300)
        await until(lambda: len(asyncio.all_tasks()) <= before + OWN_TASKS)
        client.socket.transport.abort()


async def test_nothing_is_left_of_a_client_that_went(gateway: str, admin: dict[str, str], redis: Redis) -> None:
    tasks = len(asyncio.all_tasks())
    for _ in range(20):
        async with client_of(gateway, admin) as client:
            await client.ask(op="subscribe", channel=CHANNEL)
    client.socket.transport.abort()
    await until(lambda: len(asyncio.all_tasks()) <= tasks)

    async with client_of(gateway, admin) as client:
        await client.ask(op="subscribe", channel=CHANNEL)
        await publish(redis, PRODUCT, 1)
        assert (await client.receive())["data"] == 1
