"""Server-sent events: the WebSocket's twin for clients that only read."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from conftest import Mint
from redis.asyncio import Redis
from websocket_client import CHANNEL, PRODUCT

from nexus_chassis.channels import Channel, Position, publish
from nexus_gateway.events import connections
from nexus_gateway.events import stream as stream_module

NEWS = Channel.parse("app:news", None)
BOTH = f"channel={CHANNEL}&channel={NEWS}"


@dataclass
class Block:
    """What stands between two blank lines of a stream, by field."""

    fields: dict[str, str]

    @property
    def frame(self) -> dict[str, Any]:
        return dict(json.loads(self.fields["data"]))


class Reader:
    """Reads a stream as the standard says."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> Block:
        async with asyncio.timeout(20):
            text = (await self.response.content.readuntil(b"\n\n")).decode()
        return Block(dict(line.split(": ", 1) for line in text.strip("\n").split("\n")))

    async def frames(self, count: int) -> list[dict[str, Any]]:
        return [(await self.block()).frame for _ in range(count)]

    async def rest(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.response.content.read()


@asynccontextmanager
async def opened(
    http: aiohttp.ClientSession, gateway: str, query: str, headers: dict[str, str]
) -> AsyncIterator[Reader]:
    async with http.get(f"{gateway}/v1/events?{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        reader = Reader(response)
        assert await reader.block() == Block({"retry": "2000"})
        yield reader


def event(channel: Channel, place: Position, data: object) -> dict[str, Any]:
    return {"op": "event", "channel": str(channel), "epoch": place.epoch, "offset": place.offset, "data": data}


async def test_a_stream_has_the_events_of_its_channels_each_with_all_places(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis
) -> None:
    async with opened(http, gateway, BOTH, admin) as reader:
        subscribed = await reader.frames(2)
        one = await publish(redis, PRODUCT, "line\nbreak")
        first = await reader.block()
        two = await publish(redis, NEWS, 2)
        second = await reader.block()

        assert subscribed == [
            {"op": "subscribed", "channel": str(channel), "epoch": "", "offset": "0-0"} for channel in (PRODUCT, NEWS)
        ]
        assert (first.frame, second.frame) == (event(PRODUCT, one, "line\nbreak"), event(NEWS, two, 2))
        assert second.fields["id"] == f"{CHANNEL}={one.epoch}/{one.offset},{NEWS}={two.epoch}/{two.offset}"
        assert {name: reader.response.headers[name] for name in ("Content-Type", "Cache-Control")} == {
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
        }


async def test_a_stream_that_comes_back_misses_nothing_and_sees_nothing_twice(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis
) -> None:
    async with opened(http, gateway, BOTH, admin) as reader:
        await reader.frames(2)
        for number in range(3):
            await publish(redis, PRODUCT, number)
            last = (await reader.block()).fields["id"]
    missed = [(channel, await publish(redis, channel, n)) for n, channel in enumerate((PRODUCT, NEWS, PRODUCT))]

    async with opened(http, gateway, BOTH, admin | {"Last-Event-ID": last}) as reader:
        frames = await reader.frames(5)
        live = await publish(redis, PRODUCT, "live")

        assert [frame["op"] for frame in frames] == ["subscribed", "event", "event", "subscribed", "event"]
        assert [frame["offset"] for frame in frames if frame["op"] == "event"] == [
            *(place.offset for channel, place in missed if channel == PRODUCT),
            *(place.offset for channel, place in missed if channel == NEWS),
        ]
        assert await reader.frames(1) == [event(PRODUCT, live, "live")]


async def test_lost_history_is_reported(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis
) -> None:
    place = await publish(redis, PRODUCT, 1)
    headers = admin | {"Last-Event-ID": f"{CHANNEL}=other/1-0"}
    async with opened(http, gateway, f"channel={CHANNEL}", headers) as reader:
        block = await reader.block()

    assert block.frame == {"op": "reset", "channel": CHANNEL, "epoch": place.epoch, "offset": place.offset}
    assert block.fields["id"] == f"{CHANNEL}={place.epoch}/{place.offset}"


async def test_a_silent_stream_has_heartbeats(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "HEARTBEAT_SECONDS", 0.1)
    async with opened(http, gateway, f"channel={CHANNEL}", admin) as reader:
        await reader.block()
        parts = [await reader.response.content.readuntil(b"\n\n") for _ in range(3)]

    assert parts == [b": \n\n"] * 3


async def test_a_ticket_opens_one_stream(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    async with http.post(f"{gateway}/v1/ws/tickets", headers=admin) as response:
        query = f"channel={CHANNEL}&ticket={(await response.json())['ticket']}"
    async with opened(http, gateway, query, {}) as reader:
        assert (await reader.block()).frame["op"] == "subscribed"
    async with http.get(f"{gateway}/v1/events?{query}") as response:
        assert (response.status, (await response.json(content_type=None))["type"]) == (
            401,
            "urn:nexus:problem:invalid-ticket",
        )


async def test_a_stream_ends_with_its_token(gateway: str, http: aiohttp.ClientSession, mint: Mint) -> None:
    async with opened(http, gateway, "channel=app:x", mint(lifetime=2)) as reader:
        await reader.block()
        block = await reader.block()

        assert (block.frame["op"], block.frame["status"]) == ("error", 401)
        assert await reader.rest() == b""


async def test_a_stream_ends_with_its_session(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    async with opened(http, gateway, "channel=app:x", admin) as reader:
        await reader.block()
        async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
            pass

        assert (await reader.block()).frame["status"] == 401
        assert await reader.rest() == b""


@pytest.mark.parametrize(
    ("query", "headers", "status", "kind"),
    [
        ("", {}, 422, "invalid-request"),
        ("channel=app:x&token=x", {}, 400, "unknown-parameter"),
        ("channel=nonsense", {}, 400, "unknown-channel"),
        ("channel=data:product", {}, 403, "insufficient-scope"),
        ("channel=user:bob", {}, 403, "channel-not-allowed"),
        ("&".join(f"channel=app:{number}" for number in range(17)), {}, 422, "invalid-request"),
        ("channel=app:x", {"Last-Event-ID": "17"}, 400, "bad-event-id"),
        ("channel=app:x", {"Last-Event-ID": "app:x=e/1-0,"}, 200, None),
        ("channel=app:x", {"Authorization": "Bearer x"}, 401, "unauthorized"),
    ],
)
async def test_what_cannot_be_streamed_is_refused_before_the_stream_begins(  # noqa: PLR0917  a row
    gateway: str,
    http: aiohttp.ClientSession,
    mint: Mint,
    query: str,
    headers: dict[str, str],
    status: int,
    kind: str | None,
) -> None:
    async with http.get(f"{gateway}/v1/events?{query}", headers=mint() | headers) as response:
        found = (await response.json(content_type=None))["type"] if response.status != 200 else None

        assert (response.status, found) == (status, kind and f"urn:nexus:problem:{kind}")


async def test_head_answers_at_once(gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]) -> None:
    async with http.head(f"{gateway}/v1/events?channel=app:x", headers=admin) as response:
        assert (response.status, response.headers["Content-Type"], await response.read()) == (
            200,
            "text/event-stream; charset=utf-8",
            b"",
        )


async def test_streams_leave_room_for_requests(
    gateway: str, http: aiohttp.ClientSession, mint: Mint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_STREAMS", 1)
    other = mint(subject="bob")
    async with (
        opened(http, gateway, "channel=app:x", mint()) as first,
        http.get(f"{gateway}/v1/events?channel=app:x", headers=other) as refused,
    ):
        first.response.close()
    await asyncio.sleep(1)

    assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
    async with opened(http, gateway, "channel=app:x", other) as reader:
        assert (await reader.block()).frame["op"] == "subscribed"


async def test_a_reader_that_is_too_slow_is_cut_off_and_can_resume(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "MAX_WAITING_BYTES", 200_000)
    query, headers, received = f"channel={NEWS}", admin, []
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rpartition(":")[2]), limit=1024)
    writer.write(
        f"GET /v1/events?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: {admin['Authorization']}\r\n\r\n".encode()
    )
    await reader.read(1024)
    for number in range(400):
        await publish(redis, NEWS, {"n": number, "text": "x" * 20_000})
    async with asyncio.timeout(10):
        content = await reader.read(-1)
    writer.close()
    blocks = [block for block in content.decode().split("\n\n") if block.startswith("id: ")]
    assert 0 < len(blocks) < 400
    headers = admin | {"Last-Event-ID": blocks[-1].partition("\n")[0].removeprefix("id: ")}
    async with opened(http, gateway, query, headers) as resumed:
        received = await resumed.frames(1)

    assert received[0]["op"] in {"subscribed", "reset"}


async def test_nothing_is_left_of_streams_that_were_left(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
) -> None:
    before = len(asyncio.all_tasks())
    for _ in range(30):  # more than a principal may have open at once
        async with opened(http, gateway, BOTH, admin) as reader:
            await reader.frames(2)
            reader.response.close()
        async with asyncio.timeout(20):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110  what is waited for makes no event
                await asyncio.sleep(0.01)
