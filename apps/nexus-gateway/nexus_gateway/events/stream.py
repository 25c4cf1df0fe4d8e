"""Server-sent events (WHATWG HTML section 9.2): the frames of the WebSocket protocol for clients that only read."""

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import override

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from nexus_chassis.channels import Channel, Position
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal, unauthorized
from nexus_gateway.events.connection import MAX_WAITING_BYTES, ProblemOf
from nexus_gateway.events.errors import BadEventIdError
from nexus_gateway.events.frames import Message, frame_text, place_text
from nexus_gateway.events.service import EventService
from nexus_gateway.events.subscription import Subscription
from nexus_gateway.metrics import EVENTS_SENT, SLOW_CONSUMERS

MAX_CHANNELS = 16
"""Channels of one stream: the id of each event has the places of all of them."""

STREAM_TYPE = "text/event-stream"
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
HEARTBEAT_SECONDS = 15.0
RETRY_MS = 2000
_DRAINED_BYTES = 64 * 1024
_PLACE = re.compile(r"([a-z]+:[a-z0-9_.-]{1,64})=([0-9a-zA-Z]{0,64})/([0-9]{1,19}-[0-9]{1,19})", re.ASCII)
_sent = EVENTS_SENT.labels("sse")


def parse_event_id(text: str) -> dict[str, Position]:
    """The places by channel in an id that a stream sent; raises BadEventIdError."""
    places = {}
    for part in filter(None, text.split(",")):
        match = _PLACE.fullmatch(part)
        if match is None:
            raise BadEventIdError
        places[match[1]] = Position(match[2], match[3])
    return places


class StreamResponse(StreamingResponse):
    """An answer that counts as a connection while it lasts."""

    media_type = STREAM_TYPE

    def __init__(self, body: AsyncGenerator[bytes], counted: AbstractContextManager[None]) -> None:
        super().__init__(body, headers=STREAM_HEADERS)
        self._body = body
        self._counted = counted

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._counted:
            try:
                await super().__call__(scope, receive, send)
            finally:
                await self._body.aclose()


class EventStream:
    """The body of one answer: the events of some channels, each once, in order."""

    def __init__(
        self,
        events: EventService,
        principal: Principal,
        channels: Sequence[Channel],
        places: dict[str, Position],
        problem_of: ProblemOf,
    ) -> None:
        self._events = events
        self._principal = principal
        self._channels = channels
        self._places = {str(channel): places[str(channel)] for channel in channels if str(channel) in places}
        self._problem_of = problem_of
        self._queue: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._ended = False

    async def body(self) -> AsyncGenerator[bytes]:
        """The parts of the answer, until the client leaves or one of the ends that a WebSocket has."""
        subscriptions = [Subscription(self._events.hub, channel, self) for channel in self._channels]
        subscribing = asyncio.create_task(self._subscribe(subscriptions))
        loop = asyncio.get_running_loop()
        expiry = loop.call_later(self._principal.expires_at - time.time(), self._expire)
        try:
            self._events.connections.add(self)
            with self._events.revocations.watching(self._principal, self._check):
                self._check()
                yield f"retry: {RETRY_MS}\n\n".encode()
                async for part in self._parts():
                    yield part
        finally:
            self._events.connections.discard(self)
            expiry.cancel()
            subscribing.cancel()
            with suppress(asyncio.CancelledError):
                await subscribing
            for subscription in subscriptions:
                subscription.end()

    async def _subscribe(self, subscriptions: Sequence[Subscription]) -> None:
        try:
            for subscription in subscriptions:
                await subscription.begin(self._places.get(str(subscription.channel)))
        except Exception as error:
            problem = self._problem_of(error)
            if problem is None:
                self._end()
                raise
            self._end_with(problem)

    async def _parts(self) -> AsyncIterator[bytes]:
        while True:
            while self._queue:
                parts = list(self._queue)
                self._queue.clear()
                self._waiting_bytes = 0
                self._room.set()
                yield b"".join(parts)
            if self._ended:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                yield b": \n\n"

    def send_event(self, message: Message) -> None:
        """Send an event."""
        _sent.inc()
        self._places[str(message.channel)] = message.place
        self._put(message.text)

    def send_place(self, op: str, channel: Channel, place: Position) -> None:
        """Send where a channel goes on."""
        self._places[str(channel)] = place
        self._put(place_text(op, channel, place))

    async def drained(self) -> None:
        """Return once few bytes wait to be sent."""
        await self._room.wait()

    def _put(self, text: str) -> None:
        if self._ended:
            return
        places = ",".join(f"{channel}={place.epoch}/{place.offset}" for channel, place in self._places.items())
        part = f"id: {places}\ndata: {text}\n\n".encode()
        self._queue.append(part)
        self._waiting_bytes += len(part)
        self._changed.set()
        if self._waiting_bytes > _DRAINED_BYTES:
            self._room.clear()
        if self._waiting_bytes > MAX_WAITING_BYTES:
            SLOW_CONSUMERS.labels("sse").inc()
            self._end()

    def reconnect(self, after_ms: int) -> None:
        """Ask the client to connect again after so many milliseconds, and end."""
        frame = frame_text({"op": "reconnect", "after_ms": after_ms})
        self._end(f"retry: {after_ms}\ndata: {frame}\n\n")

    def _check(self) -> None:
        if self._events.revocations.reason(self._principal) is not None:
            self._expire()

    def _expire(self) -> None:
        self._end_with(unauthorized("it has expired, or its session was ended"))

    def _end_with(self, problem: Problem) -> None:
        self._end(f"data: {frame_text({'op': 'error', **problem.body()})}\n\n")

    def _end(self, last: str = "") -> None:
        """End the stream after what waits, and this."""
        if not self._ended:
            self._queue.append(last.encode())
            self._ended = True
            self._changed.set()
            self._room.set()
