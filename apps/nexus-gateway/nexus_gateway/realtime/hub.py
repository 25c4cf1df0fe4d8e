"""The hub: follows channels on Redis once per process, for all who listen there."""

import asyncio
import json
import logging
from typing import Any, Protocol

from redis.asyncio import Redis

from nexus_chassis.channels import Event, Position, follow, history, position
from nexus_gateway.unavailable import REDIS_AWAY

_WAIT_SECONDS = 0.25
_RETRY_SECONDS = 0.25
_log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears events; both methods must return at once."""

    def hear(self, event: Event, frame: str) -> None:
        """An event, with the frame to send."""

    def lost(self, channel: str, place: Position) -> None:
        """Events of the channel are lost; it goes on from `place`."""


class Hub:
    """Gives each event of a channel to the channel's listeners, also across restarts of Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._listeners: dict[str, set[Listener]] = {}
        self._places: dict[str, Position] = {}
        self._wanted = asyncio.Event()

    @property
    def channels(self) -> dict[str, int]:
        """Number of listeners by channel."""
        return {channel: len(listeners) for channel, listeners in self._listeners.items()}

    async def join(self, channel: str, listener: Listener) -> None:
        """Let `listener` hear what comes from now on."""
        if channel not in self._places:
            place = await position(self._redis, channel)
            self._places.setdefault(channel, place)
        self._listeners.setdefault(channel, set()).add(listener)
        self._wanted.set()

    def leave(self, channel: str, listener: Listener) -> None:
        """Let `listener` hear no more."""
        listeners = self._listeners.get(channel, set())
        listeners.discard(listener)
        if not listeners:
            self._listeners.pop(channel, None)
            self._places.pop(channel, None)
        if not self._listeners:
            self._wanted.clear()

    async def run(self) -> None:
        """Follow the channels until cancelled."""
        while True:
            await self._wanted.wait()
            try:
                await self._step()
            except REDIS_AWAY as error:
                _log.warning("channels wait for Redis: %s", error)
                await self._resume()

    async def _step(self) -> None:
        events = await follow(self._redis, dict(self._places), seconds=_WAIT_SECONDS)
        if not events:
            return
        for channel in {event.channel for event in events} & self._places.keys():
            await self._check_epoch(channel)
        for event in events:
            self._give(event)

    async def _check_epoch(self, channel: str) -> None:
        now = await position(self._redis, channel)
        place = self._places.get(channel)
        if place is not None and place.epoch != now.epoch:
            self._lose(channel, now)

    async def _resume(self) -> None:
        """Wait for Redis, then give what came meanwhile, or tell that it is lost."""
        while True:
            await asyncio.sleep(_RETRY_SECONDS)
            try:
                for channel, place in list(self._places.items()):
                    await self._catch_up(channel, place)
            except REDIS_AWAY:
                continue
            _log.info("channels go on")
            return

    async def _catch_up(self, channel: str, place: Position) -> None:
        missed = await history(self._redis, channel, place)
        if missed is None:
            self._lose(channel, await position(self._redis, channel))
            return
        for event in missed:
            self._give(event)

    def _lose(self, channel: str, place: Position) -> None:
        self._places[channel] = place
        for listener in list(self._listeners.get(channel, ())):
            listener.lost(channel, place)

    def _give(self, event: Event) -> None:
        place = self._places.get(event.channel)
        if place is None or place.epoch != event.epoch:
            return  # nobody listens any more, or the listeners were told to start over
        self._places[event.channel] = Position(event.epoch, event.offset)
        frame = event_frame(event)
        for listener in list(self._listeners.get(event.channel, ())):
            listener.hear(event, frame)


def event_frame(event: Event) -> str:
    """What a client is sent of an event."""
    frame: dict[str, Any] = {
        "op": "event",
        "channel": event.channel,
        "epoch": event.epoch,
        "offset": event.offset,
        "data": event.data,
    }
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
