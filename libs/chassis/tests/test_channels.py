import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

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
    stream_key,
)
from nexus_chassis.redis import create_redis
from nexus_chassis.settings import RedisSettings


@pytest_asyncio.fixture
async def redis(redis_settings: RedisSettings) -> AsyncIterator[Redis]:
    client = create_redis(redis_settings)
    yield client
    await client.aclose()


async def test_what_is_published_is_in_the_history(redis: Redis) -> None:
    start = await position(redis, "data:news")
    first = await publish(redis, "data:news", {"id": 1})
    second = await publish(redis, "data:news", ["two"])

    assert await history(redis, "data:news", start) == [
        Event("data:news", first.epoch, first.offset, {"id": 1}),
        Event("data:news", first.epoch, second.offset, ["two"]),
    ]
    assert await history(redis, "data:news", second) == []
    assert await position(redis, "data:news") == second


async def test_reading_writes_nothing(redis: Redis) -> None:
    assert await position(redis, "data:news") == Position("", "0-0")
    assert await history(redis, "data:news", Position("", "0-0")) == []
    assert await follow(redis, {"data:news": Position("", "0-0")}, seconds=0.01) == []

    assert await redis.keys("*") == []


async def test_the_first_event_follows_the_position_of_an_empty_channel(redis: Redis) -> None:
    start = await position(redis, "data:news")
    first = await publish(redis, "data:news", 1)

    expected = [Event("data:news", first.epoch, first.offset, 1)]
    assert await history(redis, "data:news", start) == expected
    assert await follow(redis, {"data:news": start}, seconds=0.01) == expected


async def test_events_published_together_are_in_the_history_in_order(redis: Redis) -> None:
    start = await position(redis, "data:news")
    places = await publish_all(redis, "data:news", ["one", "two"])

    assert await history(redis, "data:news", start) == [
        Event("data:news", place.epoch, place.offset, data) for place, data in zip(places, ("one", "two"), strict=True)
    ]


async def test_followers_receive_what_comes_next(redis: Redis) -> None:
    places = {name: await position(redis, name) for name in ("data:news", "data:weather")}
    sent = [await publish(redis, name, name) for name in ("data:news", "data:weather")]

    assert await follow(redis, places, seconds=0.1) == [
        Event("data:news", sent[0].epoch, sent[0].offset, "data:news"),
        Event("data:weather", sent[1].epoch, sent[1].offset, "data:weather"),
    ]
    assert await follow(redis, dict(zip(places, sent, strict=True)), seconds=0.05) == []


async def test_lost_history_is_reported(redis: Redis) -> None:
    early = await publish(redis, "data:news", 0)
    await publish(redis, "data:news", 1)
    last = await publish(redis, "data:news", 2)
    await redis.xtrim(stream_key("data:news"), maxlen=1, approximate=False)

    assert await history(redis, "data:news", early) is None
    assert await history(redis, "data:news", last) == []


async def test_a_new_epoch_is_reported(redis: Redis) -> None:
    before = await publish(redis, "data:news", 1)
    await redis.flushdb()
    await asyncio.sleep(0.002)
    await publish(redis, "data:news", 1)

    assert await history(redis, "data:news", before) is None


async def test_an_offset_that_was_never_reached_is_lost(redis: Redis) -> None:
    last = await publish(redis, "data:news", 1)

    assert await history(redis, "data:news", Position(last.epoch, "9999999999999999999-0")) is None


async def test_a_position_in_a_channel_that_is_gone_is_lost(redis: Redis) -> None:
    last = await publish(redis, "data:news", 1)
    await redis.delete(stream_key("data:news"))

    assert await history(redis, "data:news", last) is None


async def test_a_channel_that_was_lost_goes_on_in_another_epoch(redis: Redis) -> None:
    before = await publish(redis, "data:news", 1)
    await redis.delete(stream_key("data:news"))
    await asyncio.sleep(0.002)  # offsets begin with the time in milliseconds
    after = await publish(redis, "data:news", 2)

    assert before.epoch != after.epoch
    assert await follow(redis, {"data:news": before}, seconds=0.01) == [
        Event("data:news", after.epoch, after.offset, 2)
    ]


async def test_many_events_are_published_in_few_round_trips(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = []
    execute = redis.execute_command

    async def count(*command: object, **options: object) -> object:
        commands.append(command[0])
        return await execute(*command, **options)

    await publish(redis, "data:news", 0)  # which loads the script
    monkeypatch.setattr(redis, "execute_command", count)
    places = await publish_all(redis, "data:news", range(1000))

    assert len({place.offset for place in places}) == 1000
    assert commands == ["EVALSHA", "EVALSHA"]


@pytest.mark.parametrize("name", ["news", "secret:news", "data:", "data:News", "data:a\n", "data:" + "a" * 65, 7, None])
async def test_only_channels_of_known_kinds_exist(redis: Redis, name: object) -> None:
    with pytest.raises(UnknownChannelError) as unknown:
        Channel.parse(name)
    with pytest.raises(UnknownChannelError):
        await publish(redis, name, 1)  # type: ignore[arg-type]

    assert str(unknown.value) == (
        f"Found {name!r:.100}. Channels are classification:NAME, data:NAME; "
        "NAME has 1 to 64 of a-z, 0-9, '_', '.' and '-'."
    )
    assert await redis.keys("*") == []


def test_a_channel_has_a_kind_and_a_name() -> None:
    channel = Channel.parse("data:order_line-2.0")

    assert (channel, str(channel)) == (Channel("data", "order_line-2.0"), "data:order_line-2.0")


INVALID_EVENTS = [
    (float("nan"), "The event is not JSON: Out of range float values are not JSON compliant: nan."),
    (
        {"name": "\ud800"},
        "The event is not JSON: 'utf-8' codec can't encode character '\\ud800' in position 9: surrogates not allowed.",
    ),
    ({1, 2}, "The event is not JSON: Object of type set is not JSON serializable."),
    ("x" * 65535, "The event has 65537 bytes. At most 65536 are allowed."),
]


@pytest.mark.parametrize(("data", "reason"), INVALID_EVENTS)
async def test_what_would_cut_off_subscribers_is_not_published(redis: Redis, data: object, reason: str) -> None:
    with pytest.raises(InvalidEventError) as invalid:
        await publish_all(redis, "data:news", [1, data])

    assert str(invalid.value) == reason
    assert await redis.keys("*") == []


@pytest.mark.parametrize("offset", ["", "-", "1-", "-1", "1-0-0", "+1-0", "\u0661-0", "1 -0", "1" * 20])
def test_text_that_is_not_an_offset(offset: str) -> None:
    with pytest.raises(ValueError, match="is not an offset"):
        offset_key(offset)


def test_offsets_are_compared_by_their_numbers() -> None:
    assert sorted(["10-2", "9-30", "10", "10-10"], key=offset_key) == ["9-30", "10", "10-2", "10-10"]
