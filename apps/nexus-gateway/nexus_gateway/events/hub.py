"""The hub: follows channels on Redis once per process, for all their subscribers."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from nexus_chassis.channels import Event, Position, follow, history, position
from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.redis_errors import translate_redis_errors
from nexus_gateway.events.frames import event_frame

_WAIT_SECONDS = 0.25
_RETRY_SECONDS = 0.25
NO_EPOCH = ""  # of the position in a channel without events
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

    def on_event(self, event: Event, frame: str) -> None:
        """Receive an event, with the frame to send."""

    def on_gap(self, channel: str, place: Position) -> None:
        """Events of the channel are lost; it goes on from `place`."""


class Hub:
    """Passes each event of a channel to the channel's listeners, also across restarts of Redis.

    `follower` is a client of `create_follower`: waiting for events blocks its connection.
    """

    def __init__(self, redis: Redis, follower: Redis) -> None:
        self._redis = redis
        self._follower = follower
        self._listeners: dict[str, set[Listener]] = {}
        self._places: dict[str, Position] = {}
        self._wanted = asyncio.Event()

    @property
    def channels(self) -> dict[str, int]:
        """Number of listeners by channel."""
        return {channel: len(listeners) for channel, listeners in self._listeners.items()}

    async def join(self, channel: str, listener: Listener) -> None:
        """Pass to `listener` what is published from now on; raises RedisUnavailableError."""
        if channel not in self._places:
            place = await self.position(channel)
            self._places.setdefault(channel, place)
        self._listeners.setdefault(channel, set()).add(listener)
        self._wanted.set()

    def leave(self, channel: str, listener: Listener) -> None:
        """Pass nothing more to `listener`."""
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(channel, None)
            self._places.pop(channel, None)
        if not self._listeners:
            self._wanted.clear()

    async def position(self, channel: str) -> Position:
        """The place after the channel's last event; raises RedisUnavailableError."""
        with _translate_errors():
            return await position(self._redis, channel)

    async def history(self, channel: str, after: Position) -> list[Event] | None:
        """Every event after a place; None when some are lost. Raises RedisUnavailableError."""
        with _translate_errors():
            return await history(self._redis, channel, after)

    async def run(self) -> None:
        """Follow the channels until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._step()
            except RedisUnavailableError as error:
                _log.warning("channels wait for Redis: %s", error)
                await self._resume()

    async def _step(self) -> None:
        with _translate_errors():
            events = await follow(self._follower, dict(self._places), seconds=_WAIT_SECONDS)
        for event in events:
            self._dispatch(event)

    async def _resume(self) -> None:
        """Wait for Redis, then pass on what was published meanwhile, or report that it is lost."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                for channel, place in list(self._places.items()):
                    await self._catch_up(channel, place)
            except RedisUnavailableError:
                continue
            _log.info("channels go on")
            return

    async def _catch_up(self, channel: str, place: Position) -> None:
        missed = await self.history(channel, place)
        if missed is None:
            self._report_gap(channel, await self.position(channel))
            return
        for event in missed:
            self._dispatch(event)

    def _report_gap(self, channel: str, place: Position) -> None:
        self._places[channel] = place
        for listener in list(self._listeners.get(channel, ())):
            listener.on_gap(channel, place)

    def _dispatch(self, event: Event) -> None:
        known, place = self._places.get(event.channel), Position(event.epoch, event.offset)
        if known is None:
            return  # nobody listens any more
        if known.epoch not in {event.epoch, NO_EPOCH}:
            self._report_gap(event.channel, place)
            return
        self._places[event.channel] = place
        frame = event_frame(event)
        for listener in list(self._listeners.get(event.channel, ())):
            listener.on_event(event, frame)
