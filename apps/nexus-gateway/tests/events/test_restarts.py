"""Clients that resume across restarts of the gateway and losses of Redis: nothing is lost, and nothing seen twice."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import Mint
from redis.asyncio import Redis
from redis.exceptions import RedisError
from websocket_client import CHANNEL, PRODUCT, client_of
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from nexus_chassis.channels import publish
from nexus_testkit import ServiceProcess

EVENTS = 600
CLIENTS = 5


class Follower:
    """A client that resumes, as often as it must."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.resets = 0
        self.connections = 0
        self._place: dict[str, str] = {}

    async def follow(self, gateway: str, headers: dict[str, str]) -> None:
        """Until all events are received."""
        while EVENTS - 1 not in self.received:
            try:
                async with client_of(gateway, headers) as client:
                    self.connections += 1
                    await client.send(op="subscribe", channel=CHANNEL, **self._place)
                    async for text in client.socket:
                        self._take(json.loads(text))
                        if EVENTS - 1 in self.received[-1:]:
                            return
            except (OSError, ConnectionClosed, InvalidHandshake):
                await asyncio.sleep(0.05)

    def _take(self, frame: dict[str, str]) -> None:
        if frame["op"] in {"event", "subscribed", "reset"}:
            self._place = {"epoch": frame["epoch"], "offset": frame["offset"]}
        if frame["op"] == "event":
            self.received.append(int(frame["data"]))
        self.resets += frame["op"] == "reset"


@pytest.fixture
def processes(environment: pytest.MonkeyPatch) -> Iterator[list[ServiceProcess]]:
    environment.chdir(Path(__file__).parents[2])
    running: list[ServiceProcess] = []
    yield running
    for process in running:
        if process.process.poll() is None:
            process.stop()


async def start(processes: list[ServiceProcess], port: int | None = None) -> ServiceProcess:
    process = ServiceProcess(("-m", "nexus_gateway"), {"PORT": str(port)} if port else None)
    processes.append(process)
    await asyncio.to_thread(process.wait_until_it_answers)
    return process


async def test_nothing_is_lost_or_doubled_while_the_gateway_restarts_and_redis_cuts_connections(
    processes: list[ServiceProcess], mint: Mint, redis: Redis, redis_url: str
) -> None:
    gateway = await start(processes)
    followers = [Follower() for _ in range(CLIENTS)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number, follower in enumerate(followers):
            group.create_task(follower.follow(gateway.url, mint("data:read", subject=f"user-{number}")))
        await asyncio.sleep(0.5)
        for number in range(EVENTS):
            await publish(redis, PRODUCT, number)
            await asyncio.sleep(0.01)
            if number % 100 == 50:
                await cut_connections(redis, redis_url)
            if number == 150:
                gateway.process.terminate()
            if number == 300:
                await asyncio.to_thread(gateway.process.communicate)
                gateway = await start(processes, gateway.port)
            if number == 450:
                gateway.process.kill()
                await asyncio.to_thread(gateway.process.communicate)
                gateway = await start(processes, gateway.port)

    assert [follower.received for follower in followers] == [list(range(EVENTS))] * CLIENTS
    assert [follower.resets for follower in followers] == [0] * CLIENTS
    assert min(follower.connections for follower in followers) >= 3


async def cut_connections(redis: Redis, redis_url: str) -> None:
    """End each connection to the test's own database but this one, as a restart of Redis does."""
    database, own = urlsplit(redis_url).path.strip("/"), str(await redis.client_id())
    for connection in await redis.client_list():
        if connection["db"] == database and connection["id"] != own:
            try:
                await redis.client_kill_filter(_id=connection["id"])
            except RedisError:  # it has just ended by itself
                continue
