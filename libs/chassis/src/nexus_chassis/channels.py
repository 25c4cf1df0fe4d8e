"""Channels: bounded, resumable histories of events on Redis Streams, apart for each tenant.

A position in a channel is an epoch and an offset. Offsets rise within an epoch; a new epoch begins when Redis lost the
channel. A channel is the stream `nexus:channel:<tenant>:<kind>:<name>`, and each entry holds its event, the epoch, and
the bytes of all events so far. Only publishing writes; a channel without events has the epoch "".

What channels take in Redis is bounded: the events of one channel, those of all channels of one kind and tenant, and the
time that a channel outlives its last event. Where a bound is reached, the oldest history goes; a position in it is lost.
"""

import json
import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any, Self

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nexus_chassis.redis import MAX_BLOCK_SECONDS

CHANNEL_KINDS = frozenset({"app", "classification", "data", "jobs", "user"})
"""The kinds of channels; a channel's name is `<kind>:<name>`."""

DEFAULT_TENANT = "default"
"""The tenant of principals whose token names none."""

MAX_HISTORY = 1000
"""Events that a channel keeps, approximately."""

MAX_HISTORY_BYTES = 1024 * 1024
"""Bytes of events that a channel keeps, approximately."""

MAX_KIND_BYTES = 8 * MAX_HISTORY_BYTES
"""Bytes of events that the channels of one kind and tenant keep together."""

MAX_CHANNELS = 1000
"""Channels of one kind and tenant that keep events."""

KEPT_SECONDS = 7 * 86400
"""How long a channel outlives its last event."""

MAX_EVENT_BYTES = 63 * 1024
"""Size of an event as JSON in UTF-8: with what is sent around it, it fits into a frame of 64 KiB."""

START = "0-0"
"""The offset before the first event."""

_NO_EPOCH = ""
_BATCH = 500  # events that Redis appends without a pause for other commands
_REPEAT_SECONDS = 30  # longer than the client repeats a command whose answer is lost
_NAME = re.compile(r"([a-z]+):([a-z0-9_.-]{1,64})", re.ASCII)
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_OFFSET = re.compile(r"([0-9]{1,19})(?:-([0-9]{1,19}))?", re.ASCII)
_log = logging.getLogger(__name__)


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
    """A channel of a tenant. Its text is the name that the tenant's clients know, `<kind>:<name>`."""

    tenant: str
    kind: str
    name: str

    @classmethod
    def parse(cls, text: object, tenant: str | None) -> Self:
        """The tenant's channel of this name, that of the default tenant for None.

        Raises UnknownChannelError unless its kind is one of `CHANNEL_KINDS`, and ValueError for what is no tenant.
        """
        match = _NAME.fullmatch(text) if isinstance(text, str) else None
        if match is None or match[1] not in CHANNEL_KINDS:
            raise UnknownChannelError(text)
        if tenant is not None and not _TENANT.fullmatch(tenant):
            raise ValueError(f"{tenant!r:.100} is not the name of a tenant.")
        return cls(tenant or DEFAULT_TENANT, match[1], match[2])

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"

    @property
    def key(self) -> str:
        """Redis key of the channel's stream."""
        return f"nexus:channel:{self.tenant}:{self.kind}:{self.name}"

    @property
    def index_keys(self) -> tuple[str, str]:
        """Redis keys of what is known of the channels of its kind and tenant: when each expires, and its bytes."""
        index = f"nexus:channels:{self.tenant}:{self.kind}"
        return index, f"{index}:bytes"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a channel: what comes next is the first event after `offset`.

    `bytes` are those of all events up to there, kept or not; None where that is not known.
    """

    epoch: str
    offset: str
    bytes: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a channel. `size` is that of its JSON, `bytes` as in Position."""

    channel: Channel
    epoch: str
    offset: str
    data: Any
    size: int = field(default=0, compare=False)
    bytes: int | None = field(default=None, compare=False)

    def follows(self, place: Position) -> bool:
        """Whether no event between the place and this one is known to be missing, in the same epoch."""
        return place.bytes is None or self.bytes is None or self.bytes - self.size == place.bytes


def offset_key(offset: str) -> tuple[int, int]:
    """What offsets of one epoch are compared by; raises ValueError for text that is not an offset."""
    match = _OFFSET.fullmatch(offset)
    if match is None:
        raise ValueError(f"{offset!r:.60} is not an offset. Offsets look like 1700000000000-0.")
    return int(match[1]), int(match[2] or 0)


# KEYS: the stream; when the channels of its kind and tenant expire; the bytes of each, and those of all under ""; the
# answer to this command, which the client repeats when it does not receive it.
# ARGV: a new epoch, MAX_HISTORY, MAX_HISTORY_BYTES, MAX_KIND_BYTES, MAX_CHANNELS, KEPT_SECONDS, _REPEAT_SECONDS, the events.
# The last entry's epoch goes on; a stream without entries begins a new one. Returns the epoch and the offsets.
_PUBLISH = """
local stream, index, sizes = KEYS[1], KEYS[2], KEYS[3]
local given = redis.call('GET', KEYS[4])
if given then return cjson.decode(given) end
local function total_of(entry)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == 'bytes' then return tonumber(entry[2][i + 1]) end
  end
  return 0
end
local epoch, total = ARGV[1], 0
local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
if last then
  total = total_of(last)
  if last[2][3] == 'epoch' then epoch = last[2][4] end
end
local answer = {epoch}
for i = 8, #ARGV do
  total = total + #ARGV[i]
  answer[#answer + 1] = redis.call(
    'XADD', stream, 'MAXLEN', '~', ARGV[2], '*', 'data', ARGV[i], 'epoch', epoch, 'bytes', string.format('%.0f', total))
end
local function kept()
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  return total - total_of(first) + #first[2][2]
end
local bytes = kept()
while bytes > tonumber(ARGV[3]) do
  redis.call('XTRIM', stream, 'MAXLEN', math.floor(redis.call('XLEN', stream) / 2))
  bytes = kept()
end
redis.call('EXPIRE', stream, ARGV[6])
local now = tonumber(redis.call('TIME')[1])
redis.call('ZADD', index, now + tonumber(ARGV[6]), stream)
local sum = tonumber(redis.call('HGET', sizes, '') or '0') - tonumber(redis.call('HGET', sizes, stream) or '0') + bytes
redis.call('HSET', sizes, stream, bytes)
local function forget(channel)
  sum = sum - tonumber(redis.call('HGET', sizes, channel) or '0')
  redis.call('HDEL', sizes, channel)
  redis.call('ZREM', index, channel)
  redis.call('DEL', channel)
end
for _, channel in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, 100)) do forget(channel) end
while sum > tonumber(ARGV[4]) or redis.call('ZCARD', index) > tonumber(ARGV[5]) do
  local oldest = redis.call('ZRANGE', index, 0, 1)
  local victim = oldest[1] ~= stream and oldest[1] or oldest[2]
  if not victim then break end
  forget(victim)
end
redis.call('HSET', sizes, '', sum)
redis.call('EXPIRE', index, ARGV[6])
redis.call('EXPIRE', sizes, ARGV[6])
redis.call('SET', KEYS[4], cjson.encode(answer), 'EX', ARGV[7])
return answer
"""


async def publish(redis: Redis, channel: Channel, data: object) -> Position:
    """Append an event; returns its position. Raises InvalidEventError."""
    (place,) = await publish_all(redis, channel, [data])
    return place


async def publish_all(redis: Redis, channel: Channel, events: Sequence[object]) -> list[Position]:
    """Append events in order, one round trip for each 500; returns their positions.

    Raises InvalidEventError before anything is published.
    """
    texts = [encode_event(event) for event in events]
    append = redis.register_script(_PUBLISH)
    bounds = [MAX_HISTORY, MAX_HISTORY_BYTES, MAX_KIND_BYTES, MAX_CHANNELS, KEPT_SECONDS, _REPEAT_SECONDS]
    places = []
    for batch in batched(texts, _BATCH, strict=False):
        keys = [channel.key, *channel.index_keys, f"{channel.index_keys[0]}:answer:{secrets.token_hex(8)}"]
        epoch, *offsets = await append(keys=keys, args=[secrets.token_hex(8), *bounds, *batch])
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


async def position(redis: Redis, channel: Channel) -> Position:
    """The position after the last event so far; that of a channel without events has the epoch ""."""
    last: Any = await redis.xrevrange(channel.key, count=1)
    if not last:
        return Position(_NO_EPOCH, START, 0)
    offset, fields = last[0]
    return Position(_epoch(fields), offset, _total(fields))


async def history(redis: Redis, channel: Channel, after: Position) -> list[Event] | None:
    """Every event after a position.

    None when some of them are lost: the epoch changed, the history was cut, or the offset was never reached.
    """
    async with redis.pipeline(transaction=True) as pipe:
        pipe.xinfo_stream(channel.key)
        pipe.xrange(channel.key, min=f"({after.offset}")
        info, entries = await pipe.execute(raise_on_error=False)
    if isinstance(info, ResponseError) and "no such key" in str(info):
        return [] if after == Position(_NO_EPOCH, START) else None
    _raise_first(info, entries)
    if _is_lost(info, after):
        return None
    return _events(channel, entries)


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


async def follow(redis: Redis, places: Mapping[Channel, Position], *, seconds: float) -> list[Event]:
    """The next events after each channel's position, oldest first; waits up to `seconds` for the first of them.

    An event whose epoch differs from that of the channel's position follows a gap, unless the position's epoch is "".
    `redis` comes from `create_follower`: the connection is blocked meanwhile.
    """
    if seconds > MAX_BLOCK_SECONDS:
        raise ValueError(f"{seconds:g} s are too long for one wait. At most {MAX_BLOCK_SECONDS:g} s are allowed.")
    channels = {channel.key: channel for channel in places}
    offsets: dict[Any, Any] = {key: places[channel].offset for key, channel in channels.items()}
    found: Any = await redis.xread(offsets, count=MAX_HISTORY, block=max(1, int(seconds * 1000)))
    batches = found.items() if isinstance(found, dict) else found
    return [event for key, entries in batches for event in _events(channels[key], _flat(entries))]


def _flat(entries: list[Any]) -> list[Any]:
    return entries[0] if entries and isinstance(entries[0], list) else entries


def _events(channel: Channel, entries: list[tuple[str, dict[str, str]]]) -> list[Event]:
    """The events of entries. One that is no event must not cut off those who follow the channel: it is left out."""
    events = []
    for offset, fields in entries:
        try:
            data = json.loads(fields["data"], parse_constant=_refuse_constant)
        except (KeyError, ValueError, RecursionError) as error:
            _log.error("the entry %s of %s is no event: %r", offset, channel.key, error)
            continue
        size = len(fields["data"].encode())
        events.append(Event(channel, _epoch(fields), offset, data, size, _total(fields)))
    return events


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _total(fields: dict[str, str]) -> int | None:
    return int(fields["bytes"]) if "bytes" in fields else None


def _epoch(fields: dict[str, str]) -> str:
    return fields.get("epoch", "0")  # entries of version 0.1 have none
