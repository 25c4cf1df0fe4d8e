"""The hub: follows channels on Redis once per process, for all their subscribers."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nexus_chassis.channels import Channel, Position, follow, history, offset_key, position
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_gateway.events.frames import Message
from nexus_gateway.events.shared_reads import SharedReads
from nexus_gateway.metrics import EVENT_LAG

NO_EPOCH = ""
"""The epoch of the position in a channel without events."""

_WAIT_SECONDS = 0.25
_RETRY_SECONDS = 0.25
_PACE_SECONDS = 10e-6  # for each channel: asking for thousands of channels again after each event would cost more
_MAX_BURST = 256  # deliveries until others have a turn, and what was written is sent
_MAX_BURST_BYTES = 64 * 1024
_log = logging.getLogger(__name__)


@contextmanager
def _translate_errors() -> Iterator[None]:
    """Also a key that holds something else than a channel must end neither the hub nor a client's connection."""
    try:
        with translate_redis_errors():
            yield
    except ResponseError as error:
        raise RedisUnavailableError(f"Redis refuses to return events: {error}") from error


class Listener(Protocol):
    """A subscriber; both methods must return at once."""

    def on_event(self, message: Message) -> None:
        """Receive an event."""

    def on_gap(self, place: Position) -> None:
        """Events are lost; the channel goes on from `place`."""


class _Topic:
    """A channel that somebody listens to."""

    __slots__ = ("listeners", "place")

    def __init__(self, place: Position) -> None:
        self.place = place
        self.listeners: set[Listener] = set()


class Hub:
    """Passes each event of a channel to the channel's listeners, also across restarts of Redis.

    `follower` is a client of `create_follower`: waiting for events blocks its connection.
    """

    def __init__(self, redis: Redis, follower: Redis) -> None:
        self._redis = redis
        self._follower = follower
        self._topics: dict[Channel, _Topic] = {}
        self._wanted = asyncio.Event()
        self._positions: SharedReads[Channel, Position] = SharedReads(self._read_position)
        self._histories: SharedReads[tuple[Channel, Position], list[Message] | None] = SharedReads(self._read_history)

    def counts(self) -> dict[Channel, int]:
        """Number of listeners by channel."""
        return {channel: len(topic.listeners) for channel, topic in self._topics.items()}

    async def join(self, channel: Channel, listener: Listener) -> None:
        """Pass to `listener` what is published from now on; raises RedisUnavailableError or PoolExhaustedError."""
        topic = self._topics.get(channel)
        if topic is None:
            place = await self.position(channel)
            topic = self._topics.setdefault(channel, _Topic(place))
        topic.listeners.add(listener)
        self._wanted.set()

    def leave(self, channel: Channel, listener: Listener) -> None:
        """Pass nothing more to `listener`."""
        topic = self._topics.get(channel)
        if topic is None:
            return
        topic.listeners.discard(listener)
        if not topic.listeners:
            del self._topics[channel]
        if not self._topics:
            self._wanted.clear()

    async def position(self, channel: Channel) -> Position:
        """The place after the channel's last event; raises RedisUnavailableError or PoolExhaustedError."""
        return await self._positions.read(channel)

    async def history(self, channel: Channel, after: Position) -> list[Message] | None:
        """Every event after a place; None when some are lost. Raises RedisUnavailableError or PoolExhaustedError."""
        return await self._histories.read((channel, after))

    async def _read_position(self, channel: Channel) -> Position:
        with _translate_errors():
            return await position(self._redis, channel)

    async def _read_history(self, key: tuple[Channel, Position]) -> list[Message] | None:
        with _translate_errors():
            events = await history(self._redis, *key)
        return None if events is None else list(map(Message, events))

    async def run(self) -> None:
        """Follow the channels until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._step()
            except (RedisUnavailableError, PoolExhaustedError) as error:
                _log.warning("channels wait for Redis: %s", error)
                await self._resume()

    async def _step(self) -> None:
        with _translate_errors():
            places = {channel: topic.place for channel, topic in self._topics.items()}
            events = await follow(self._follower, places, seconds=_WAIT_SECONDS)
        await self._dispatch_all(list(map(Message, events)))
        await asyncio.sleep(_PACE_SECONDS * len(places))

    async def _resume(self) -> None:
        """Wait for Redis, then pass on what was published meanwhile, or report that it is lost."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                for channel, topic in list(self._topics.items()):
                    await self._catch_up(channel, topic.place)
            except (RedisUnavailableError, PoolExhaustedError):
                continue
            _log.info("channels go on")
            return

    async def _catch_up(self, channel: Channel, place: Position) -> None:
        missed = await self.history(channel, place)
        if missed is None:
            self._report_gap(channel, await self.position(channel))
        else:
            await self._dispatch_all(missed)

    def _report_gap(self, channel: Channel, place: Position) -> None:
        topic = self._topics.get(channel)
        if topic is None:
            return
        topic.place = place
        for listener in list(topic.listeners):
            listener.on_gap(place)

    async def _dispatch_all(self, messages: list[Message]) -> None:
        sent = size = 0
        for message in messages:
            sent += self._dispatch(message)
            size += len(message.text)
            if sent > _MAX_BURST or size > _MAX_BURST_BYTES:
                sent = size = 0
                await asyncio.sleep(0)

    def _dispatch(self, message: Message) -> int:
        """The number of listeners that the event was passed to."""
        topic = self._topics.get(message.channel)
        if topic is None:
            return 0  # nobody listens any more
        known = topic.place
        if known.epoch == message.place.epoch and message.order <= offset_key(known.offset):
            return 0  # it was passed on while Redis was read anew
        if known.epoch not in {message.place.epoch, NO_EPOCH} or not message.event.follows(known):
            self._report_gap(message.channel, message.place)
            return len(topic.listeners)
        topic.place = message.place
        EVENT_LAG.observe(max(0.0, time.time() - message.order[0] / 1000))
        for listener in tuple(topic.listeners):
            listener.on_event(message)
        return len(topic.listeners)
