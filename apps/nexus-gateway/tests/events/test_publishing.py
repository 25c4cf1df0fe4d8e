"""Publishing by clients: over the WebSocket and by POST, within the rights of each kind of channel."""

import asyncio
from typing import Any

import aiohttp
import pytest
from conftest import Mint
from redis.asyncio import Redis
from websocket_client import Client, client_of

from nexus_chassis.channels import Channel, Position, history

NEWS = "app:news"
VALUES = [None, 0, -1.5, "text", "\u2028é🙂", [], {}, {"a": [1, {"b": None}]}, 2**70, "x" * 60_000]


def published(answer: dict[str, Any], channel: str = NEWS) -> dict[str, Any]:
    return {"op": "published", "channel": channel, "epoch": answer["epoch"], "offset": answer["offset"]}


def event(place: dict[str, Any], data: object, channel: str = NEWS) -> dict[str, Any]:
    return {"op": "event", "channel": channel, "epoch": place["epoch"], "offset": place["offset"], "data": data}


@pytest.mark.parametrize("data", VALUES, ids=lambda data: f"{data!r:.20}")
async def test_what_a_client_publishes_its_subscribers_receive(client: Client, data: object) -> None:
    await client.ask(op="subscribe", channel=NEWS)
    answers = [await client.ask(op="publish", channel=NEWS, data=data), await client.receive()]
    confirmed, received = sorted(answers, key=lambda answer: str(answer["op"]), reverse=True)

    assert confirmed == published(confirmed)
    assert received == event(confirmed, data)


@pytest.mark.parametrize("data", VALUES, ids=lambda data: f"{data!r:.20}")
async def test_posted_messages_are_received(
    gateway: str, http: aiohttp.ClientSession, admin: dict[str, str], client: Client, data: object
) -> None:
    await client.ask(op="subscribe", channel=NEWS)
    async with http.post(f"{gateway}/v1/channels/{NEWS}/messages", json={"data": data}, headers=admin) as response:
        status, place = response.status, await response.json()

    assert (status, place) == (201, {"channel": NEWS, "epoch": place["epoch"], "offset": place["offset"]})
    assert await client.receive() == event(place, data)


async def test_tenants_hear_nothing_of_each_other(gateway: str, mint: Mint, redis: Redis) -> None:
    one, two = (mint("events:publish", tenant=tenant) for tenant in ("acme", "other"))
    async with client_of(gateway, one) as first, client_of(gateway, two) as second:
        for client in (first, second):
            await client.ask(op="subscribe", channel=NEWS)
        await first.send(op="publish", channel=NEWS, data=1)
        received = {(await first.receive())["op"] for _ in range(2)}
        await asyncio.sleep(0.4)

        assert received == {"published", "event"}
        assert await second.ask(op="ping") == {"op": "pong"}
    answers = set(await redis.keys("nexus:channels:acme:app:answer:*"))  # kept for the case that one is lost
    assert set(await redis.keys("nexus:channel*")) - answers == {
        "nexus:channel:acme:app:news",
        "nexus:channels:acme:app",
        "nexus:channels:acme:app:bytes",
    }


async def post(http: aiohttp.ClientSession, url: str, headers: dict[str, str], body: object) -> dict[str, Any]:
    async with http.post(url, json=body, headers=headers) as response:
        return dict(await response.json(content_type=None))


REFUSALS = [
    (
        (),
        NEWS,
        403,
        "insufficient-scope",
        "The access token lacks the scope events:publish. Ask for a token that has it.",
    ),
    (
        ("events:publish", "data:write", "admin"),
        "data:product",
        403,
        "channel-not-allowed",
        "Found data:product, to which a service publishes. Use a channel app:NAME.",
    ),
    (
        ("events:publish", "classify", "admin"),
        "classification:jobs",
        403,
        "channel-not-allowed",
        "Found classification:jobs, to which a service publishes. Use a channel app:NAME.",
    ),
    (
        ("events:publish",),
        "user:alice",
        403,
        "insufficient-scope",
        "The access token lacks the scope admin. Ask for a token that has it.",
    ),
    (
        ("events:publish",),
        "gateway:session",
        400,
        "unknown-channel",
        (
            "Found 'gateway:session'. Channels are app:NAME, classification:NAME, data:NAME, jobs:NAME, user:NAME; "
            "NAME has 1 to 64 of a-z, 0-9, '_', '.' and '-'."
        ),
    ),
]


@pytest.mark.parametrize(("scopes", "channel", "status", "kind", "detail"), REFUSALS)
async def test_publishing_needs_the_right_of_the_kind(  # noqa: PLR0917  a row of the table
    gateway: str,
    http: aiohttp.ClientSession,
    mint: Mint,
    redis: Redis,
    scopes: tuple[str, ...],
    channel: str,
    status: int,
    kind: str,
    detail: str,
) -> None:
    headers = mint(*scopes)
    problem = await post(http, f"{gateway}/v1/channels/{channel}/messages", headers, {"data": 1})
    async with client_of(gateway, headers) as client:
        frame = await client.ask(op="publish", channel=channel, data=1)

    assert (problem["status"], problem["type"], problem["detail"]) == (status, f"urn:nexus:problem:{kind}", detail)
    assert frame == {"op": "error", "channel": channel, **problem}
    assert await redis.keys("nexus:*") == []


async def test_a_user_is_notified_on_a_channel_of_its_own(gateway: str, mint: Mint) -> None:
    async with client_of(gateway, mint()) as alice, client_of(gateway, mint("admin", subject="bob")) as bob:
        await alice.ask(op="subscribe", channel="user:alice")
        place = await bob.ask(op="publish", channel="user:alice", data="hello")

        assert await alice.receive() == event(place, "hello", "user:alice")
        assert await bob.ask(op="subscribe", channel="user:alice") == {
            "op": "error",
            "channel": "user:alice",
            "type": "urn:nexus:problem:channel-not-allowed",
            "title": "This channel is another user's",
            "status": 403,
            "detail": "Found user:alice. Subscribe to user:NAME with the subject of your own token as NAME.",
        }


@pytest.mark.parametrize(
    ("frame", "detail"),
    [
        ('{"op":"publish","channel":"app:news"}', "publish has no data. Send what to publish as data, null included."),
        ('{"op":"publish","channel":"app:news","data":NaN}', "It is not JSON: NaN is not JSON."),
        (
            '{"op":"publish","channel":"app:news","data":"\\ud800"}',
            "It is not JSON: it has a lone surrogate: unexpected end of hex escape at line 1 column 52.",
        ),
        (
            '{"op":"publish","channel":"app:news","data":1,"data":2}',
            "It is not JSON: the name 'data' is given twice in one object.",
        ),
        (
            '{"op":"publish","channel":"app:news","data":1,"to":"bob"}',
            "Found the member 'to'. publish has channel, data, op.",
        ),
    ],
)
async def test_what_would_cut_off_subscribers_is_refused(client: Client, redis: Redis, frame: str, detail: str) -> None:
    await client.socket.send(frame)
    answer = await client.receive()

    assert (answer["op"], answer["type"], answer["detail"]) == ("error", "urn:nexus:problem:bad-frame", detail)
    assert await redis.keys("nexus:*") == []


async def test_an_event_is_larger_than_no_frame(client: Client, redis: Redis) -> None:
    text = "é" * 32_255  # two bytes each
    frame = f'{{"op":"publish","channel":"{NEWS}","data":"{text}"}}'
    await client.ask(op="subscribe", channel=NEWS)
    await client.socket.send(frame)
    frames = [await client.receive() for _ in range(2)]
    await client.socket.send(frame.replace('"}', 'é"}'))
    refused = await client.receive()

    assert {frame["op"] for frame in frames} == {"published", "event"}
    assert (refused["status"], refused["detail"]) == (422, "The event has 64514 bytes. At most 64512 are allowed.")
    assert len(await history(redis, Channel.parse(NEWS, None), Position("", "0-0")) or []) == 1


@pytest.fixture
def five_messages(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXUS_RATE_LIMITS", "messages=5/3600")


@pytest.mark.usefixtures("five_messages")
async def test_messages_that_come_too_fast_are_refused(gateway: str, mint: Mint, http: aiohttp.ClientSession) -> None:
    headers, others = mint("events:publish"), mint("events:publish", subject="bob")
    async with client_of(gateway, headers) as client:
        answers = [await client.ask(op="publish", channel=NEWS, data=number) for number in range(6)]
    problem = await post(http, f"{gateway}/v1/channels/{NEWS}/messages", headers, {"data": 1})

    assert [answer["op"] for answer in answers] == ["published"] * 5 + ["error"]
    assert answers[-1] == {
        "op": "error",
        "channel": NEWS,
        "type": "urn:nexus:problem:rate-limited",
        "title": "Too many requests",
        "status": 429,
        "detail": "The limit 'messages' is used up. Try again in 720 s.",
        "limit": "messages",
        "retry_after": 720,
    }
    assert problem["type"] == "urn:nexus:problem:rate-limited"
    assert "offset" in await post(http, f"{gateway}/v1/channels/{NEWS}/messages", others, {"data": 1})
