import asyncio
import json
from contextlib import AsyncExitStack, suppress
from typing import Any

import aiohttp
import pytest
from conftest import PASSWORD, AddUser
from redis.asyncio import Redis
from websocket_client import CHANNEL, PRODUCT, Client, client_of
from websockets.exceptions import InvalidStatus

from nexus_chassis import channels
from nexus_chassis.channels import Channel, Position, publish, publish_all
from nexus_gateway.app import create_app
from nexus_gateway.events import connections
from nexus_testkit import serving


def event(place: Position, data: object) -> dict[str, Any]:
    return {"op": "event", "channel": CHANNEL, "epoch": place.epoch, "offset": place.offset, "data": data}


class TestEvents:
    async def test_a_subscriber_receives_what_is_published(self, client: Client, redis: Redis) -> None:
        subscribed = await client.ask(op="subscribe", channel=CHANNEL)
        place = await publish(redis, PRODUCT, {"op": "create", "id": 7, "changed": ["name"]})

        assert subscribed == {"op": "subscribed", "channel": CHANNEL, "epoch": "", "offset": "0-0"}
        assert await client.receive() == event(place, {"op": "create", "id": 7, "changed": ["name"]})

    async def test_all_subscribers_receive_it_once(self, gateway: str, admin: dict[str, str], redis: Redis) -> None:
        async with client_of(gateway, admin) as one, client_of(gateway, admin) as two:
            for client in (one, two, one):
                await client.ask(op="subscribe", channel=CHANNEL)
            places = [await publish(redis, PRODUCT, number) for number in range(3)]

            for client in (one, two):
                assert [await client.receive() for _ in places] == [event(p, n) for n, p in enumerate(places)]
                assert await client.ask(op="ping") == {"op": "pong"}

    async def test_after_unsubscribing_nothing_is_received(self, client: Client, redis: Redis) -> None:
        await client.ask(op="subscribe", channel=CHANNEL)
        left = await client.ask(op="unsubscribe", channel=CHANNEL)
        await publish(redis, PRODUCT, 1)
        await asyncio.sleep(0.4)

        assert left == {"op": "unsubscribed", "channel": CHANNEL}
        assert await client.ask(op="ping") == {"op": "pong"}


class TestResume:
    async def test_a_client_that_comes_back_misses_nothing_and_sees_nothing_twice(
        self, gateway: str, admin: dict[str, str], redis: Redis
    ) -> None:
        async with client_of(gateway, admin) as client:
            await client.ask(op="subscribe", channel=CHANNEL)
            place = await publish(redis, PRODUCT, 0)
            assert await client.receive() == event(place, 0)
        missed = [await publish(redis, PRODUCT, number) for number in (1, 2)]

        async with client_of(gateway, admin) as client:
            frames = [await client.ask(op="subscribe", channel=CHANNEL, epoch=place.epoch, offset=place.offset)]
            frames += [await client.receive() for _ in missed]
            live = await publish(redis, PRODUCT, 3)

            assert frames == [
                {"op": "subscribed", "channel": CHANNEL, "epoch": place.epoch, "offset": place.offset},
                event(missed[0], 1),
                event(missed[1], 2),
            ]
            assert await client.receive() == event(live, 3)

    async def test_resuming_while_events_pour_in_keeps_their_order(
        self, gateway: str, admin: dict[str, str], redis: Redis
    ) -> None:
        first = await publish(redis, PRODUCT, 0)

        async def pour() -> None:
            for number in range(1, 400):
                await publish(redis, PRODUCT, number)

        pouring = asyncio.create_task(pour())
        async with client_of(gateway, admin, max_queue=None) as other, client_of(gateway, admin) as client:
            await other.ask(op="subscribe", channel=CHANNEL)
            await client.ask(op="subscribe", channel=CHANNEL, epoch=first.epoch, offset=first.offset)
            received = [(await client.receive())["data"] for _ in range(399)]
            await pouring

            assert received == list(range(1, 400))
            assert await client.ask(op="ping") == {"op": "pong"}

    async def test_a_cut_history_is_reported(self, client: Client, redis: Redis) -> None:
        early = await publish(redis, PRODUCT, 0)
        await publish(redis, PRODUCT, 1)
        last = await publish(redis, PRODUCT, 2)
        await redis.xtrim(PRODUCT.key, maxlen=1, approximate=False)

        assert await client.ask(op="subscribe", channel=CHANNEL, epoch=early.epoch, offset=early.offset) == {
            "op": "reset",
            "channel": CHANNEL,
            "epoch": last.epoch,
            "offset": last.offset,
        }

    async def test_a_channel_that_redis_lost_is_reported_to_its_subscribers(self, client: Client, redis: Redis) -> None:
        await publish(redis, PRODUCT, 0)
        await client.ask(op="subscribe", channel=CHANNEL)
        await redis.delete(PRODUCT.key)
        lost = await publish(redis, PRODUCT, 1)
        reset = await client.receive()
        place = await publish(redis, PRODUCT, 2)

        assert reset == {"op": "reset", "channel": CHANNEL, "epoch": lost.epoch, "offset": lost.offset}
        assert await client.receive() == event(place, 2)

    async def test_events_that_were_cut_before_they_were_read_are_reported(
        self, client: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(channels, "MAX_HISTORY_BYTES", 1000)
        await client.ask(op="subscribe", channel=CHANNEL)
        await publish_all(redis, PRODUCT, ["x" * 98] * 100)
        reset = await client.receive()
        received = await received_until_silence(client)
        place = await publish(redis, PRODUCT, 1)

        assert reset["op"] == "reset"
        assert {frame["op"] for frame in received} == {"event"}
        assert 0 < len(received) < 20
        assert await client.receive() == event(place, 1)

    async def test_a_reader_that_keeps_up_is_not_too_slow_for_a_burst(
        self, gateway: str, admin: dict[str, str], redis: Redis
    ) -> None:
        async with client_of(gateway, admin, max_queue=None) as client:
            await client.ask(op="subscribe", channel="data:burst")
            for _ in range(20):
                await publish_all(redis, Channel.parse("data:burst", None), ["x" * 1000] * 500)
                assert len([await client.receive() for _ in range(500)]) == 500

    async def test_events_go_on_after_redis_refused_to_return_them(self, client: Client, redis: Redis) -> None:
        await client.ask(op="subscribe", channel=CHANNEL)
        await redis.set(PRODUCT.key, "no stream")
        refused = await client.ask(op="subscribe", channel=CHANNEL)
        await asyncio.sleep(0.6)
        await redis.delete(PRODUCT.key)

        assert (refused["op"], refused["type"]) == ("error", "urn:nexus:problem:store-unavailable")
        await client.ask(op="subscribe", channel=CHANNEL)
        place = await publish(redis, PRODUCT, 1)
        assert await client.receive() == event(place, 1)

    async def test_events_go_on_after_the_connections_to_redis_died(
        self, client: Client, redis: Redis, redis_url: str
    ) -> None:
        await client.ask(op="subscribe", channel=CHANNEL)
        places = []
        for number in range(5):
            await cut_connections(redis, redis_url)
            places.append(await publish(redis, PRODUCT, number))
            await asyncio.sleep(0.1)

        assert [await client.receive() for _ in places] == [event(p, n) for n, p in enumerate(places)]


async def received_until_silence(client: Client) -> list[dict[str, Any]]:
    frames = []
    with suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                frames.append(json.loads(await client.socket.recv()))
    return frames


async def cut_connections(redis: Redis, redis_url: str) -> None:
    """End each connection to the test's own database but this one."""
    database, own = redis_url.rpartition("/")[2], str(await redis.client_id())
    for connection in await redis.client_list():
        if connection["db"] == database and connection["id"] != own:
            await redis.client_kill_filter(_id=connection["id"])


class TestRefusals:
    async def refused(self, gateway: str, headers: dict[str, str], **options: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401  websockets' own
        with pytest.raises(InvalidStatus) as refused:
            async with client_of(gateway, headers, **options):
                pass
        response = refused.value.response
        assert response.headers["Content-Type"] == "application/problem+json"
        return response.status_code, json.loads(response.body)

    async def test_no_token(self, gateway: str) -> None:
        assert (await self.refused(gateway, {}))[0] == 401

    async def test_a_token_of_an_ended_session(
        self, gateway: str, http: aiohttp.ClientSession, admin: dict[str, str]
    ) -> None:
        async with http.delete(f"{gateway}/v1/sessions/current", headers=admin):
            pass

        status, problem = await self.refused(gateway, admin)

        assert (status, problem["detail"]) == (
            401,
            "The access token is refused: its session was ended. Get a new one from the gateway.",
        )

    async def test_a_page_of_another_origin(self, gateway: str, admin: dict[str, str]) -> None:
        assert await self.refused(gateway, admin, origin="https://evil.example") == (
            403,
            {
                "type": "urn:nexus:problem:origin-not-allowed",
                "title": "This origin may not connect",
                "status": 403,
                "detail": "Pages of 'https://evil.example' may not connect. "
                "Add the origin to NEXUS_ALLOWED_ORIGINS if they should.",
            },
        )

    @pytest.mark.parametrize(
        ("host", "origin"),
        [
            ("evil.example:8000", "http://evil.example:8000"),
            ("localhost:9000", "http://localhost:9000"),
            ("localhost:8000", "http://["),
            ("", "null"),
        ],
    )
    async def test_the_origin_is_never_compared_with_the_host(
        self, gateway: str, admin: dict[str, str], host: str, origin: str
    ) -> None:
        headers = {"Host": host, "Origin": origin, "Upgrade": "websocket", "Connection": "Upgrade"}
        status, problem = await handshake(gateway, admin | headers)

        assert (status, problem["type"]) == (403, "urn:nexus:problem:origin-not-allowed")

    async def test_browsers_send_the_token_as_subprotocol(self, gateway: str, session: dict[str, Any]) -> None:
        protocols = ["bearer", f"bearer.{session['access_token']}"]
        async with client_of(gateway, {}, subprotocols=protocols) as client:
            assert client.socket.subprotocol == "bearer"
            assert await client.ask(op="ping") == {"op": "pong"}


async def handshake(gateway: str, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """The answer to a WebSocket handshake with exactly these headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.rpartition(":")[2]))
    own = {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    lines = [f"{name}: {value}" for name, value in (own | headers).items()]
    writer.write("\r\n".join(["GET /v1/ws HTTP/1.1", *lines, "", ""]).encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    body = await reader.read() if "101" not in head else b"{}"
    writer.close()
    return int(head.split()[1]), json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


@pytest.mark.parametrize("separator", [" ", ","])
async def test_pages_of_allowed_origins_connect(
    environment: pytest.MonkeyPatch, http: aiohttp.ClientSession, separator: str
) -> None:
    origins = ["https://app.example.com", "http://localhost:5173"]
    environment.setenv("NEXUS_ALLOWED_ORIGINS", separator.join(origins))
    async with serving(create_app()) as gateway:
        async with http.post(f"{gateway}/v1/sessions", json={"username": "admin", "password": PASSWORD}) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
        for origin in origins:
            async with client_of(gateway, headers, origin=origin) as client:
                assert await client.ask(op="ping") == {"op": "pong"}


async def test_a_binary_frame_closes_the_connection(client: Client) -> None:
    await client.socket.send(b"\x00")

    assert await client.close_code() == 1003


async def test_reading_channels_writes_nothing_to_redis(client: Client, redis: Redis) -> None:
    async def kept() -> set[str]:
        return {key for key in await redis.keys() if not key.startswith("gateway:limit:")}  # those end by themselves

    before = await kept()
    for number in range(50):
        await client.ask(op="subscribe", channel=f"data:{number}")
        await client.ask(op="unsubscribe", channel=f"data:{number}")

    assert await kept() == before


async def test_an_offset_beyond_the_last_event_is_reported_as_lost(client: Client, redis: Redis) -> None:
    place = await publish(redis, PRODUCT, 0)

    assert await client.ask(op="subscribe", channel=CHANNEL, epoch=place.epoch, offset="9999999999999999999-0") == {
        "op": "reset",
        "channel": CHANNEL,
        "epoch": place.epoch,
        "offset": place.offset,
    }


async def test_500_subscriptions_at_once_are_all_confirmed(
    gateway: str, admin: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 500)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(gateway, admin)) for _ in range(500)]
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(client.ask(op="subscribe", channel=CHANNEL) for client in clients))

    assert [answer["op"] for answer in answers] == ["subscribed"] * 500


BAD_FRAMES: list[tuple[str, dict[str, Any]]] = [
    (
        "nonsense",
        {"type": "urn:nexus:problem:bad-frame", "detail": "It is not JSON: Expecting value at line 1, column 1."},
    ),
    ("[1]", {"type": "urn:nexus:problem:bad-frame", "detail": "It is not a JSON object."}),
    ("[" * 60000, {"type": "urn:nexus:problem:bad-frame", "detail": "It is not JSON: it is nested more than 64 deep."}),
    (
        '{"op": "\\ud800"}',
        {
            "type": "urn:nexus:problem:bad-frame",
            "detail": "It is not JSON: it has a lone surrogate: unexpected end of hex escape at line 1 column 15.",
        },
    ),
    (
        '{"op": "dance"}',
        {
            "type": "urn:nexus:problem:bad-frame",
            "detail": "Found op 'dance'. Use auth, ping, publish, subscribe, unsubscribe.",
        },
    ),
    (
        '{"op": "subscribe", "channel": "data:product", "offset": "x", "epoch": "e"}',
        {
            "channel": "data:product",
            "type": "urn:nexus:problem:bad-frame",
            "detail": "Found offset 'x'. Send epoch and offset as the last event had them.",
        },
    ),
    (
        '{"op": "subscribe", "channel": "data:product", "offset": "1--1", "epoch": "e"}',
        {
            "channel": "data:product",
            "type": "urn:nexus:problem:bad-frame",
            "detail": "Found offset '1--1'. Send epoch and offset as the last event had them.",
        },
    ),
    (
        '{"op": "subscribe", "channel": "data:product", "offset": 7, "epoch": "e"}',
        {
            "channel": "data:product",
            "type": "urn:nexus:problem:bad-frame",
            "detail": "Found offset 7. Send epoch and offset as the last event had them.",
        },
    ),
    (
        '{"op": "subscribe", "channel": "data:product", "offset": "1-1"}',
        {
            "channel": "data:product",
            "type": "urn:nexus:problem:bad-frame",
            "detail": "Found epoch None. Send epoch and offset as the last event had them.",
        },
    ),
    (
        '{"op": "subscribe", "channel": "gateway:session:x"}',
        {
            "channel": "gateway:session:x",
            "type": "urn:nexus:problem:unknown-channel",
            "detail": "Found 'gateway:session:x'. Channels are app:NAME, classification:NAME, data:NAME, jobs:NAME, user:NAME; "
            "NAME has 1 to 64 of a-z, 0-9, '_', '.' and '-'.",
        },
    ),
]


@pytest.mark.parametrize(("frame", "problem"), BAD_FRAMES)
async def test_frames_that_are_wrong_are_explained(client: Client, frame: str, problem: dict[str, Any]) -> None:
    await client.socket.send(frame)
    answer = await client.receive()

    assert answer == {"op": "error", "status": 400, "title": answer["title"]} | problem
    assert await client.ask(op="ping") == {"op": "pong"}


async def test_a_channel_needs_its_scope(gateway: str, add_user: AddUser) -> None:
    async with client_of(gateway, await add_user("classify")) as client:
        assert await client.ask(op="subscribe", channel=CHANNEL) == {
            "op": "error",
            "channel": CHANNEL,
            "type": "urn:nexus:problem:insufficient-scope",
            "title": "The access token does not allow this",
            "status": 403,
            "detail": "The access token lacks the scope data:read. Ask for a token that has it.",
            "missing_scopes": ["data:read"],
        }
