"""Channels: bounded, resumable histories of events on Redis Streams.

A place in a channel is an epoch and an offset. Offsets rise within an epoch; a new epoch begins when Redis lost the
channel. The stream is `nexus:channel:<name>`, its epoch `nexus:channel:<name>:epoch`.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

HISTORY = 1000
"""Events that a channel keeps, approximately."""

START = "0-0"
"""The offset before the first event."""

_EMPTY_SECONDS = 86400
"""How long an epoch lasts without events: a subscriber may name any channel, and none may fill Redis so."""


@dataclass(frozen=True)
class Position:
    """A place in a channel: what comes next is the first event after `offset`."""

    epoch: str
    offset: str


@dataclass(frozen=True)
class Event:
    """One event of a channel."""

    channel: str
    epoch: str
    offset: str
    data: Any


def stream_key(channel: str) -> str:
    """Redis key of the channel's stream."""
    return f"nexus:channel:{channel}"


def _epoch_key(channel: str) -> str:
    return f"{stream_key(channel)}:epoch"


async def publish(redis: Redis, channel: str, data: object) -> Position:
    """Append an event, which must be representable as JSON; gives its place."""
    (place,) = await publish_all(redis, channel, [data])
    return place


async def publish_all(redis: Redis, channel: str, events: Sequence[object]) -> list[Position]:
    """Append events, each representable as JSON, all in one transaction; gives their places."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.set(_epoch_key(channel), secrets.token_hex(8), nx=True)
        pipe.persist(_epoch_key(channel))
        pipe.get(_epoch_key(channel))
        for data in events:
            pipe.xadd(stream_key(channel), {"data": json.dumps(data)}, maxlen=HISTORY, approximate=True)
        _, _, epoch, *offsets = await pipe.execute()
    return [Position(epoch, offset) for offset in offsets]


async def position(redis: Redis, channel: str) -> Position:
    """The place after the last event so far."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.set(_epoch_key(channel), secrets.token_hex(8), nx=True, ex=_EMPTY_SECONDS)
        pipe.get(_epoch_key(channel))
        pipe.xrevrange(stream_key(channel), count=1)
        _, epoch, last = await pipe.execute()
    return Position(epoch, last[0][0] if last else START)


async def history(redis: Redis, channel: str, after: Position) -> list[Event] | None:
    """Every event after a place; None when some of them are lost: the epoch changed or the history was cut."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.get(_epoch_key(channel))
        pipe.xinfo_stream(stream_key(channel))
        pipe.xrange(stream_key(channel), min=f"({after.offset}")
        epoch, info, entries = await pipe.execute(raise_on_error=False)
    if epoch != after.epoch:
        return None
    if isinstance(info, ResponseError):  # no such stream: nothing was ever published in this epoch
        return [] if after.offset == START else None
    _raise_first(info, entries)
    if _cut(info, after.offset):
        return None
    return [_event(channel, epoch, entry) for entry in entries]


def _raise_first(*results: object) -> None:
    for result in results:
        if isinstance(result, Exception):
            raise result


def _cut(info: dict[str, Any], offset: str) -> bool:
    if info["entries-added"] == info["length"]:
        return False
    first = info["first-entry"]
    return first is None or order(offset) < order(first[0])


def order(offset: str) -> tuple[int, int]:
    """What offsets of one epoch are compared by; raises ValueError for what is no offset."""
    milliseconds, _, sequence = offset.partition("-")
    return int(milliseconds), int(sequence or 0)


async def follow(redis: Redis, places: dict[str, Position], *, seconds: float) -> list[Event]:
    """The next events after each channel's place, oldest first; waits up to `seconds` for the first of them.

    `redis` needs a socket timeout longer than `seconds`.
    """
    names = {stream_key(channel): channel for channel in places}
    offsets: dict[Any, Any] = {key: places[channel].offset for key, channel in names.items()}
    found: Any = await redis.xread(offsets, count=HISTORY, block=int(seconds * 1000))
    batches = found.items() if isinstance(found, dict) else found
    return [_event(names[key], places[names[key]].epoch, entry) for key, entries in batches for entry in _flat(entries)]


def _flat(entries: list[Any]) -> list[Any]:
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _event(channel: str, epoch: str, entry: tuple[str, dict[str, str]]) -> Event:
    offset, fields = entry
    return Event(channel, epoch, offset, json.loads(fields["data"]))
