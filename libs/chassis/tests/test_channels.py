import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from nexus_chassis import channels
from nexus_chassis.channels import (
    Channel,
    Event,
    InvalidEventError,
    Position,
    UnknownChannelError,
    follow,
    history,
    offset_key,
    position,
    publish,
    publish_all,
)
from nexus_chassis.redis import create_redis
from nexus_chassis.settings import RedisSettings

NEWS = Channel.parse("data:news", None)
WEATHER = Channel.parse("data:weather", None)


@pytest_asyncio.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    client = create_redis(redis_settings)
    yield client
    await client.aclose()


async def test_what_is_published_is_in_the_history(redis: Redis) -> None:
    start = await position(redis, NEWS)
    first = await publish(redis, NEWS, {"id": 1})
    second = await publish(redis, NEWS, ["two"])

    assert await history(redis, NEWS, start) == [
        Event(NEWS, first.epoch, first.offset, {"id": 1}),
        Event(NEWS, first.epoch, second.offset, ["two"]),
    ]
    assert await history(redis, NEWS, second) == []
    assert await position(redis, NEWS) == second


class Losing:
    """Before a Redis: passes on everything but the answer to the first command with `text` in it, which ends the connection."""

    def __init__(self, redis_url: str, text: bytes) -> None:
        self._upstream = urlsplit(redis_url)
        self._text = text
        self.losses = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection(self._upstream.hostname, self._upstream.port)
        with closing(writer), closing(upstream):
            while data := await reader.read(65536):
                upstream.write(data)
                answer = await answers.read(65536)
                if self._text in data and not self.losses:
                    self.losses += 1
                    return
                writer.write(answer)


async def test_an_event_is_published_once_though_the_answer_is_lost(
    redis: Redis, redis_url: str, redis_settings: RedisSettings
) -> None:
    losing = Losing(redis_url, b"only once")
    start = await position(redis, NEWS)
    async with await asyncio.start_server(losing.talk, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = urlsplit(redis_url)._replace(netloc=f"127.0.0.1:{port}").geturl()
        client = create_redis(redis_settings.model_copy(update={"redis_url": url}))
        place = await publish(client, NEWS, "only once")
        await client.aclose()

    assert losing.losses == 1
    assert await history(redis, NEWS, start) == [Event(NEWS, place.epoch, place.offset, "only once")]


async def test_reading_writes_nothing(redis: Redis) -> None:
    assert await position(redis, NEWS) == Position("", "0-0")
    assert await history(redis, NEWS, Position("", "0-0")) == []
    assert await follow(redis, {NEWS: Position("", "0-0")}, seconds=0.01) == []

    assert await redis.keys("*") == []


async def test_the_first_event_follows_the_position_of_an_empty_channel(redis: Redis) -> None:
    start = await position(redis, NEWS)
    first = await publish(redis, NEWS, 1)

    expected = [Event(NEWS, first.epoch, first.offset, 1)]
    assert await history(redis, NEWS, start) == expected
    assert await follow(redis, {NEWS: start}, seconds=0.01) == expected


async def test_events_published_together_are_in_the_history_in_order(redis: Redis) -> None:
    start = await position(redis, NEWS)
    places = await publish_all(redis, NEWS, ["one", "two"])

    assert await history(redis, NEWS, start) == [
        Event(NEWS, place.epoch, place.offset, data) for place, data in zip(places, ("one", "two"), strict=True)
    ]


async def test_followers_receive_what_comes_next(redis: Redis) -> None:
    places = {channel: await position(redis, channel) for channel in (NEWS, WEATHER)}
    sent = [await publish(redis, channel, str(channel)) for channel in (NEWS, WEATHER)]

    assert await follow(redis, places, seconds=0.1) == [
        Event(NEWS, sent[0].epoch, sent[0].offset, "data:news"),
        Event(WEATHER, sent[1].epoch, sent[1].offset, "data:weather"),
    ]
    assert await follow(redis, dict(zip(places, sent, strict=True)), seconds=0.05) == []


async def test_lost_history_is_reported(redis: Redis) -> None:
    early = await publish(redis, NEWS, 0)
    await publish(redis, NEWS, 1)
    last = await publish(redis, NEWS, 2)
    await redis.xtrim(NEWS.key, maxlen=1, approximate=False)

    assert await history(redis, NEWS, early) is None
    assert await history(redis, NEWS, last) == []


async def test_a_new_epoch_is_reported(redis: Redis) -> None:
    before = await publish(redis, NEWS, 1)
    await redis.flushdb()
    await asyncio.sleep(0.002)
    await publish(redis, NEWS, 1)

    assert await history(redis, NEWS, before) is None


async def test_an_offset_that_was_never_reached_is_lost(redis: Redis) -> None:
    last = await publish(redis, NEWS, 1)

    assert await history(redis, NEWS, Position(last.epoch, "9999999999999999999-0")) is None


async def test_a_position_in_a_channel_that_is_gone_is_lost(redis: Redis) -> None:
    last = await publish(redis, NEWS, 1)
    await redis.delete(NEWS.key)

    assert await history(redis, NEWS, last) is None


async def test_a_channel_that_was_lost_goes_on_in_another_epoch(redis: Redis) -> None:
    before = await publish(redis, NEWS, 1)
    await redis.delete(NEWS.key)
    await asyncio.sleep(0.002)  # offsets begin with the time in milliseconds
    after = await publish(redis, NEWS, 2)

    assert before.epoch != after.epoch
    assert await follow(redis, {NEWS: before}, seconds=0.01) == [Event(NEWS, after.epoch, after.offset, 2)]


async def test_many_events_are_published_in_few_round_trips(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []
    execute = redis.execute_command

    async def count(*command: object, **options: object) -> object:
        commands.append(command[0])
        return await execute(*command, **options)

    await publish(redis, NEWS, 0)  # which loads the script
    monkeypatch.setattr(redis, "execute_command", count)
    places = await publish_all(redis, NEWS, range(1000))

    assert len({place.offset for place in places}) == 1000
    assert commands == ["EVALSHA", "EVALSHA"]


@pytest.mark.parametrize("name", ["news", "secret:news", "data:", "data:News", "data:a\n", "data:" + "a" * 65, 7, None])
def test_only_channels_of_known_kinds_exist(name: object) -> None:
    with pytest.raises(UnknownChannelError) as unknown:
        Channel.parse(name, "acme")

    assert str(unknown.value) == (
        f"Found {name!r:.100}. Channels are app:NAME, classification:NAME, data:NAME, jobs:NAME, user:NAME; "
        "NAME has 1 to 64 of a-z, 0-9, '_', '.' and '-'."
    )


def test_a_channel_has_a_tenant_a_kind_and_a_name() -> None:
    channel = Channel.parse("data:order_line-2.0", "acme")

    assert (channel, str(channel), channel.key) == (
        Channel("acme", "data", "order_line-2.0"),
        "data:order_line-2.0",
        "nexus:channel:acme:data:order_line-2.0",
    )
    assert Channel("default", "data", "news") == NEWS


@pytest.mark.parametrize("tenant", ["", "Acme", "a:b", "-a", "a" * 64, "a\n"])
def test_what_is_no_tenant_has_no_channels(tenant: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a tenant"):
        Channel.parse("data:news", tenant)


async def test_tenants_share_no_channel(redis: Redis) -> None:
    other = Channel.parse("data:news", "acme")
    await publish(redis, other, 1)

    assert await position(redis, NEWS) == Position("", "0-0")
    assert await follow(redis, {NEWS: Position("", "0-0")}, seconds=0.01) == []


async def test_a_channel_keeps_a_bounded_number_of_bytes(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_HISTORY_BYTES", 1000)
    for number in range(30):
        await publish(redis, NEWS, {"n": number, "text": "x" * 100})
    kept = [json.loads(fields["data"])["n"] for _, fields in await redis.xrange(NEWS.key)]

    assert kept == list(range(30 - len(kept), 30))
    assert 4 <= len(kept) <= 8
    assert await redis.hgetall(NEWS.index_keys[1]) == {NEWS.key: str(len(kept) * 118), "": str(len(kept) * 118)}


async def test_the_channels_of_a_kind_and_tenant_keep_a_bounded_number_of_bytes(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "MAX_KIND_BYTES", 1000)
    apart = [Channel.parse("app:news", None), Channel.parse("data:news", "acme")]
    for channel in apart:
        await publish(redis, channel, "x" * 998)
    for number in range(30):
        await publish(redis, Channel.parse(f"data:{number}", None), "x" * 98)
    kept = await redis.keys("nexus:channel:default:data:*")

    assert len(kept) == 10
    assert "nexus:channel:default:data:29" in kept
    assert sorted(await redis.zrange(NEWS.index_keys[0], 0, -1)) == sorted(kept)
    assert await redis.hgetall(NEWS.index_keys[1]) == {"": "1000", **dict.fromkeys(kept, "100")}
    assert [await redis.xlen(channel.key) for channel in apart] == [1, 1]


async def test_the_number_of_channels_of_a_kind_and_tenant_is_bounded(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "MAX_CHANNELS", 5)
    for number in range(30):
        await publish(redis, Channel.parse(f"data:{number}", None), number)

    assert len(await redis.keys("nexus:channel:*")) == 5
    assert await redis.zcard(NEWS.index_keys[0]) == 5


async def test_a_channel_without_new_events_expires(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "KEPT_SECONDS", 1)
    monkeypatch.setattr(channels, "_REPEAT_SECONDS", 1)
    await publish(redis, NEWS, 1)
    await asyncio.sleep(2.1)

    assert await redis.keys("*") == []


async def test_what_expired_counts_no_longer(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "KEPT_SECONDS", 1)
    await publish(redis, NEWS, "gone")
    await asyncio.sleep(1.1)
    monkeypatch.setattr(channels, "KEPT_SECONDS", 60)
    await publish(redis, WEATHER, "here")

    assert await redis.hgetall(NEWS.index_keys[1]) == {WEATHER.key: "6", "": "6"}


@pytest.mark.parametrize("data", ["{", "NaN", "[-Infinity]", "[" * 5000, None])
async def test_an_entry_that_is_no_event_is_left_out(
    redis: Redis, data: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    start = await position(redis, NEWS)
    fields: dict[Any, Any] = {"epoch": "1"} if data is None else {"data": data, "epoch": "1"}
    bad = await redis.xadd(NEWS.key, fields)
    good = await publish(redis, NEWS, 1)

    assert await history(redis, NEWS, start) == [Event(NEWS, good.epoch, good.offset, 1)]
    (logged,) = caplog.messages
    assert logged.startswith(f"the entry {bad} of nexus:channel:default:data:news is no event: ")


INVALID_EVENTS = [
    (float("nan"), "The event is not JSON: Out of range float values are not JSON compliant: nan."),
    (
        {"name": "\ud800"},
        "The event is not JSON: 'utf-8' codec can't encode character '\\ud800' in position 9: surrogates not allowed.",
    ),
    ({1, 2}, "The event is not JSON: Object of type set is not JSON serializable."),
    ("x" * 64511, "The event has 64513 bytes. At most 64512 are allowed."),
]


@pytest.mark.parametrize(("data", "reason"), INVALID_EVENTS)
async def test_what_would_cut_off_subscribers_is_not_published(redis: Redis, data: object, reason: str) -> None:
    with pytest.raises(InvalidEventError) as invalid:
        await publish_all(redis, NEWS, [1, data])

    assert str(invalid.value) == reason
    assert await redis.keys("*") == []


@pytest.mark.parametrize("offset", ["", "-", "1-", "-1", "1-0-0", "+1-0", "\u0661-0", "1 -0", "1" * 20])
def test_text_that_is_not_an_offset(offset: str) -> None:
    with pytest.raises(ValueError, match="is not an offset"):
        offset_key(offset)


def test_offsets_are_compared_by_their_numbers() -> None:
    assert sorted(["10-2", "9-30", "10", "10-10"], key=offset_key) == ["9-30", "10", "10-2", "10-10"]
