"""Channels: bounded, resumable histories of events on Redis Streams.

A position in a channel is an epoch and an offset. Offsets rise within an epoch; a new epoch begins when Redis lost the
channel. A channel is the stream `nexus:channel:<name>`, and each entry holds its event and the epoch. Only publishing
writes; a channel without events has the epoch "".
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nexus_chassis.redis import MAX_BLOCK_SECONDS

CHANNEL_KINDS = frozenset({"data", "classification"})
"""The kinds of channels; a channel's name is `<kind>:<name>`."""

MAX_HISTORY = 1000
"""Events that a channel keeps, approximately."""

MAX_EVENT_BYTES = 64 * 1024
"""Size of an event as JSON in UTF-8."""

START = "0-0"
"""The offset before the first event."""

_NO_EPOCH = ""
_BATCH = 500  # events that Redis appends without a pause for other commands
_NAME = re.compile(r"([a-z]+):([a-z0-9_.-]{1,64})", re.ASCII)
_OFFSET = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?", re.ASCII)


class UnknownChannelError(ValueError):
    """There is no channel of this name. `found` is what was asked for."""

    def __init__(self, found: object) -> None:
        names = ", ".join(f"{kind}:NAME" for kind in sorted(CHANNEL_KINDS))
        super().__init__(f"Found {found!r:.100}. Channels are {names}; NAME has 1 to 64 of a-z, 0-9, '_', '.' and '-'.")
        self.found = found


class InvalidEventError(ValueError):
    """The event cannot be published: it is not JSON, or too large."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel's name in its parts."""

    kind: str
    name: str

    @classmethod
    def parse(cls, text: object) -> Self:
        """The channel of this name; raises UnknownChannelError unless its kind is one of `CHANNEL_KINDS`."""
        match = _NAME.fullmatch(text) if isinstance(text, str) else None
        if match is None or match[1] not in CHANNEL_KINDS:
            raise UnknownChannelError(text)
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel: what comes next is the first event after `offset`."""

    epoch: str
    offset: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a channel."""

    channel: str
    epoch: str
    offset: str
    data: Any


def stream_key(channel: str) -> str:
    """Redis key of the channel's stream."""
    return f"nexus:channel:{channel}"


def offset_key(offset: str) -> tuple[int, int]:
    """What offsets of one epoch are compared by; raises ValueError for text that is not an offset."""
    match = _OFFSET.fullmatch(offset)
    if match is None:
        raise ValueError(f"{offset!r:.60} is not an offset. Offsets look like 1700000000000-0.")
    return int(match[1]), int(match[2] or 0)


# The last entry's epoch goes on; a stream without entries begins a new one.
_PUBLISH = """
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local epoch = ARGV[1]
if last and last[2][3] == 'epoch' then epoch = last[2][4] end
local offsets = {epoch}
for i = 3, #ARGV do
  offsets[#offsets + 1] = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'data', ARGV[i], 'epoch', epoch)
end
return offsets
"""


async def publish(redis: Redis, channel: str, data: object) -> Position:
    """Append an event; returns its position. Raises UnknownChannelError or InvalidEventError."""
    (place,) = await publish_all(redis, channel, [data])
    return place


async def publish_all(redis: Redis, channel: str, events: Sequence[object]) -> list[Position]:
    """Append events in order, one round trip for each 500; returns their positions.

    Raises UnknownChannelError or InvalidEventError before anything is published.
    """
    key = stream_key(str(Channel.parse(channel)))
    texts = [encode_event(event) for event in events]
    append = redis.register_script(_PUBLISH)
    places = []
    for batch in batched(texts, _BATCH, strict=False):
        epoch, *offsets = await append(keys=[key], args=[secrets.token_hex(8), MAX_HISTORY, *batch])
        places += [Position(epoch, offset) for offset in offsets]
    return places


def encode_event(data: object) -> bytes:
    """The event as JSON (RFC 8259) in UTF-8; raises InvalidEventError for NaN, lone surrogates, or too many bytes."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEventError(f"The event is not JSON: {error}.") from None
    if len(text) > MAX_EVENT_BYTES:
        raise InvalidEventError(f"The event has {len(text)} bytes. At most {MAX_EVENT_BYTES} are allowed.")
    return text


async def position(redis: Redis, channel: str) -> Position:
    """The position after the last event so far; that of a channel without events has the epoch ""."""
    last: Any = await redis.xrevrange(stream_key(channel), count=1)
    if not last:
        return Position(_NO_EPOCH, START)
    offset, fields = last[0]
    return Position(_epoch(fields), offset)


async def history(redis: Redis, channel: str, after: Position) -> list[Event] | None:
    """Every event after a position.

    None when some of them are lost: the epoch changed, the history was cut, or the offset was never reached.
    """
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xinfo_stream(stream_key(channel))
        pipe.xrange(stream_key(channel), min=f"({after.offset}")
        info, entries = await pipe.execute(raise_on_error=False)
    if isinstance(info, ResponseError) and "no such key" in str(info):
        return [] if after == Position(_NO_EPOCH, START) else None
    _raise_first(info, entries)
    if _is_lost(info, after):
        return None
    return [_event(channel, entry) for entry in entries]


def _raise_first(*results: object) -> None:
    for result in results:
        if isinstance(result, Exception):
            raise result


def _is_lost(info: dict[str, Any], after: Position) -> bool:
    first, last = info["first-entry"], info["last-entry"]
    if first is None or last is None:
        return True
    if after.epoch == _NO_EPOCH:
        return after.offset != START or bool(info["entries-added"] != info["length"])
    if after.epoch != _epoch(last[1]) or offset_key(after.offset) > offset_key(last[0]):
        return True
    return info["entries-added"] != info["length"] and offset_key(after.offset) < offset_key(first[0])


async def follow(redis: Redis, places: dict[str, Position], *, seconds: float) -> list[Event]:
    """The next events after each channel's position, oldest first; waits up to `seconds` for the first of them.

    An event whose epoch differs from that of the channel's position follows a gap, unless the position's epoch is "".
    `redis` comes from `create_follower`: the connection is blocked meanwhile.
    """
    if seconds > MAX_BLOCK_SECONDS:
        raise ValueError(f"{seconds:g} s are too long for one wait. At most {MAX_BLOCK_SECONDS:g} s are allowed.")
    names = {stream_key(channel): channel for channel in places}
    offsets: dict[Any, Any] = {key: places[channel].offset for key, channel in names.items()}
    found: Any = await redis.xread(offsets, count=MAX_HISTORY, block=max(1, int(seconds * 1000)))
    batches = found.items() if isinstance(found, dict) else found
    return [_event(names[key], entry) for key, entries in batches for entry in _flat(entries)]


def _flat(entries: list[Any]) -> list[Any]:
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _event(channel: str, entry: tuple[str, dict[str, str]]) -> Event:
    offset, fields = entry
    return Event(channel, _epoch(fields), offset, json.loads(fields["data"]))


def _epoch(fields: dict[str, str]) -> str:
    return fields.get("epoch", "0")  # entries of version 0.1 have none
