"""The end of a process: clients are told to reconnect, each at its own moment, and resume elsewhere without a loss."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from typing import Any

import aiohttp
from conftest import Mint
from redis.asyncio import Redis
from websocket_client import CHANNEL, PRODUCT, Client, client_of
from websockets.exceptions import ConnectionClosed

from nexus_chassis.channels import publish
from nexus_chassis.runtime import runtime_of
from nexus_gateway.app import create_app
from nexus_testkit import serving

DRAIN_SECONDS = 2


async def ending(client: Client) -> tuple[dict[str, Any], float, int]:
    """The last frame, when it came, and the code that the connection was closed with."""
    frame: dict[str, Any] = {}
    moment = 0.0
    try:
        while True:
            frame, moment = json.loads(await client.socket.recv()), time.monotonic()
    except ConnectionClosed as closed:
        return frame, moment, closed.rcvd.code if closed.rcvd else 1006


async def test_websockets_are_told_to_reconnect_one_after_the_other(
    environment: Any,  # noqa: ANN401  pytest's own
    mint: Mint,
) -> None:
    environment.setenv("NEXUS_DRAIN_SECONDS", str(DRAIN_SECONDS))
    app = create_app()
    async with serving(app) as gateway, AsyncExitStack() as stack:
        clients = []
        for number in range(20):
            client = await stack.enter_async_context(client_of(gateway, mint(subject=f"user-{number}")))
            await client.ask(op="subscribe", channel="app:x")
            clients.append(client)
        started = time.monotonic()
        runtime_of(app).drain.start()
        async with asyncio.timeout(10):
            ends = await asyncio.gather(*map(ending, clients))
    delays = sorted(moment - started for _, moment, _ in ends)

    assert {(frame["op"], code) for frame, _, code in ends} == {("reconnect", 1012)}
    assert delays[0] < 0.3
    assert 1.2 < delays[-1] < DRAIN_SECONDS
    assert max(later - earlier for earlier, later in pairwise(delays)) < 0.5
    for frame, moment, _ in ends:
        left = DRAIN_SECONDS - (moment - started)
        assert left - 0.2 <= frame["after_ms"] / 1000 <= left + 1.2


async def test_streams_are_told_to_reconnect(environment: Any, http: aiohttp.ClientSession, mint: Mint) -> None:  # noqa: ANN401
    environment.setenv("NEXUS_DRAIN_SECONDS", "1")
    app = create_app()
    async with serving(app) as other, http.get(f"{other}/v1/events?channel=app:x", headers=mint()) as response:
        await response.content.readuntil(b"subscribed")
        runtime_of(app).drain.start()
        async with asyncio.timeout(20):
            rest = (await response.content.read()).decode()
    fields = dict(line.split(": ", 1) for line in rest.split("\n\n")[1].split("\n"))
    frame = json.loads(fields["data"])

    assert frame == {"op": "reconnect", "after_ms": frame["after_ms"]}
    assert fields["retry"] == str(frame["after_ms"])


async def test_what_connects_during_the_drain_is_told_as_well(environment: Any, mint: Mint) -> None:  # noqa: ANN401
    environment.setenv("NEXUS_DRAIN_SECONDS", "0")
    app = create_app()
    async with serving(app) as gateway:
        runtime_of(app).drain.start()
        async with client_of(gateway, mint()) as client:
            frame, _, code = await ending(client)

    assert (frame["op"], code) == ("reconnect", 1012)


async def test_a_client_that_moves_to_another_replica_misses_nothing(gateway: str, mint: Mint, redis: Redis) -> None:
    headers, received = mint("data:read"), []
    async with serving(create_app()) as other:
        async with client_of(other, headers, max_queue=None) as client:
            await client.ask(op="subscribe", channel=CHANNEL)
            for number in range(20):
                await publish(redis, PRODUCT, number)
            received = [await client.receive() for _ in range(10)]
        await publish(redis, PRODUCT, 20)
    last = received[-1]
    async with client_of(gateway, headers) as client:
        await client.ask(op="subscribe", channel=CHANNEL, epoch=last["epoch"], offset=last["offset"])
        received += [await client.receive() for _ in range(11)]

        assert [frame["data"] for frame in received] == list(range(21))
        assert await client.ask(op="ping") == {"op": "pong"}
