"""How far a stream is can be followed on a channel of its caller."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis
from streams import NDJSON

from dataflow_service.bulk import lines, progress
from nexus_chassis.channels import START, Channel, Position, history, position
from nexus_testkit import Issuer
from nexus_testkit.tcp_proxy import TcpProxy

PATH = "/v1/product/bulk"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {**NDJSON, "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
ABOUT = {"event": "bulk", "model": "product", "operation": "create", "trace": TRACE}
LINE = b'{"name": "a"}\n'


@pytest.fixture
async def channel_of(redis_url: str) -> AsyncIterator[Any]:
    """Reads the events of the channel of a subject."""
    async with Redis.from_url(redis_url, decode_responses=True) as redis:

        async def read(subject: str, tenant: str | None = None) -> list[Any]:
            channel = Channel.parse(f"data:bulk.{subject}", tenant)
            epoch = (await position(redis, channel)).epoch
            return [event.data for event in await history(redis, channel, Position(epoch, START)) or []]

        yield read


@pytest.fixture
def subject(request: pytest.FixtureRequest) -> str:
    """A subject that no other test has."""
    return f"s{abs(hash(request.node.name)) % 10**9}-{time.time_ns() % 10**9}"


@pytest.fixture
async def caller(service: str, issuer: Issuer, subject: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of the service that acts for the subject."""
    token = issuer.mint("dataflow-service", {"data:read", "data:write"}, subject=subject)
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as session:
        yield session


async def _ended(channel_of: Any, subject: str, tenant: str | None = None) -> list[Any]:  # noqa: ANN401 - the fixture
    """The events of a subject, once the last says that its stream has ended."""
    async with asyncio.timeout(10):
        while True:
            events: list[Any] = await channel_of(subject, tenant)
            if events and events[-1]["state"] != "running":
                return events
            await asyncio.sleep(0.05)


async def test_a_short_stream_has_one_event_at_its_end(
    caller: aiohttp.ClientSession,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
) -> None:
    body = LINE * 2500
    assert (await caller.post(PATH, data=body, headers=HEADERS)).status == 201
    assert await _ended(channel_of, subject) == [{**ABOUT, "rows": 2500, "bytes": len(body), "state": "done"}]


async def test_a_long_stream_has_an_event_each_second_and_one_at_its_end(
    caller: aiohttp.ClientSession,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines, "BLOCK_SECONDS", 0.05)

    async def body() -> AsyncIterator[bytes]:
        for _ in range(25):
            yield LINE * 10
            await asyncio.sleep(0.1)

    started = time.monotonic()
    assert (await caller.post(PATH, data=body(), headers=HEADERS)).status == 201
    seconds = time.monotonic() - started
    *running, end = await _ended(channel_of, subject)
    assert end == {**ABOUT, "rows": 250, "bytes": 250 * len(LINE), "state": "done"}
    assert 1 <= len(running) <= seconds / progress.EVERY_SECONDS
    assert {event["state"] for event in running} == {"running"}
    rows = [event["rows"] for event in [*running, end]]
    assert rows == sorted(rows)
    assert 0 < rows[0] < 250
    assert all(event["bytes"] >= event["rows"] * len(LINE) for event in running)


async def test_a_stream_that_fails_says_so(
    caller: aiohttp.ClientSession,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
) -> None:
    body = LINE * 1500 + b"{}\n"
    assert (await caller.post(PATH, data=body, headers=HEADERS)).status == 422
    (event,) = await _ended(channel_of, subject)
    assert event == {**ABOUT, "rows": 0, "bytes": len(body), "state": "failed"}


async def test_a_client_that_leaves_is_a_stream_that_failed(
    caller: aiohttp.ClientSession,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
) -> None:
    sent = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield LINE
        sent.set()
        await asyncio.Event().wait()

    request = asyncio.create_task(caller.post(PATH, data=body(), headers=HEADERS))
    await sent.wait()
    await asyncio.sleep(1)
    request.cancel()
    assert (await _ended(channel_of, subject))[-1]["state"] == "failed"


async def test_each_tenant_has_channels_of_its_own(
    service: str,
    issuer: Issuer,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
) -> None:
    token = issuer.mint("dataflow-service", {"data:write"}, subject=subject, tenant="acme")
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as other:
        await other.post(PATH, data=LINE, headers=HEADERS)
    assert len(await _ended(channel_of, subject, "acme")) == 1
    assert await channel_of(subject) == []


async def test_a_subject_that_is_no_name_of_a_channel_is_not_followed(service: str, issuer: Issuer) -> None:
    token = issuer.mint("dataflow-service", {"data:write"}, subject="Ä B")
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as other:
        assert (await other.post(PATH, data=LINE, headers=HEADERS)).status == 201


async def _goes_on(caller: aiohttp.ClientSession, channel_of: Any, subject: str) -> bool:  # noqa: ANN401 - the fixture
    """Send streams until the end of one is published."""
    async with asyncio.timeout(20):
        while not await channel_of(subject):
            assert (await caller.post(PATH, data=LINE, headers=HEADERS)).status == 201
            await asyncio.sleep(0.2)
    return True


async def test_redis_that_is_away_neither_fails_nor_delays_a_stream(
    caller: aiohttp.ClientSession,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
    redis_proxy: TcpProxy,
) -> None:
    await redis_proxy.cut()
    for _ in range(3):
        async with asyncio.timeout(1.5):
            assert (await caller.post(PATH, data=LINE * 2000, headers=HEADERS)).status == 201
    await redis_proxy.start()
    assert await _goes_on(caller, channel_of, subject)


@asynccontextmanager
async def _hanging(proxy: TcpProxy) -> AsyncIterator[None]:
    """Let what stands for Redis accept connections and never answer."""
    await proxy.cut()
    proxy.hang()
    await proxy.start()
    yield
    await proxy.cut()
    proxy.resume()
    await proxy.start()


async def test_redis_that_hangs_neither_fails_nor_delays_a_stream(
    caller: aiohttp.ClientSession,
    subject: str,
    channel_of: Any,  # noqa: ANN401 - the fixture
    redis_proxy: TcpProxy,
) -> None:
    async with _hanging(redis_proxy):
        for _ in range(3):
            async with asyncio.timeout(1.5):
                assert (await caller.post(PATH, data=LINE * 2000, headers=HEADERS)).status == 201
    assert await _goes_on(caller, channel_of, subject)
