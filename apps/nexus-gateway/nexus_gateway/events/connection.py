"""One client's WebSocket connection."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from starlette.websockets import WebSocketDisconnect

from nexus_chassis.channels import Event, Position, offset_key
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal
from nexus_chassis.websocket_session import WebSocketSession
from nexus_gateway.events.channels import authorize_channel
from nexus_gateway.events.errors import BadFrameError
from nexus_gateway.events.frames import Frame, event_frame, parse_frame, place_frame, position_of, shown
from nexus_gateway.events.hub import Hub

TOO_SLOW = 4408
_MAX_QUEUED = 1024
_MAX_SUBSCRIPTIONS = 64

type ProblemOf = Callable[[Exception], Problem | None]
"""The problem details of an error; None for an error of the program itself."""


class Connection:
    """Answers the client's frames, and sends it the events of its channels: each once, in order."""

    def __init__(self, session: WebSocketSession, principal: Principal, hub: Hub, problem_of: ProblemOf) -> None:
        self._session = session
        self._principal = principal
        self._hub = hub
        self._problem_of = problem_of
        self._places: dict[str, Position] = {}
        self._queue: asyncio.Queue[tuple[str, Position, str]] = asyncio.Queue(_MAX_QUEUED)
        self._overflow = asyncio.Event()
        self._order = asyncio.Lock()

    async def serve(self) -> None:
        """Until the client leaves, its token or session ends, the process drains, or the client reads too slowly."""
        try:
            await self._session.run(self._read(), self._write(), self._watch())
        finally:
            for channel in list(self._places):
                self._leave(channel)

    def on_event(self, event: Event, frame: str) -> None:
        """Receive an event from the hub."""
        self._enqueue(event.channel, Position(event.epoch, event.offset), frame)

    def on_gap(self, channel: str, place: Position) -> None:
        """Receive from the hub that events are lost."""
        self._enqueue(channel, place, place_frame("reset", channel, place))

    def _enqueue(self, channel: str, place: Position, frame: str) -> None:
        try:
            self._queue.put_nowait((channel, place, frame))
        except asyncio.QueueFull:
            self._overflow.set()

    async def _write(self) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                channel, place, frame = await self._queue.get()
                async with self._order:
                    await self._advance(channel, place, frame)

    async def _advance(self, channel: str, place: Position, frame: str) -> None:
        """Send the frame unless the client has it already, or left the channel."""
        known = self._places.get(channel)
        if known is None or (known.epoch == place.epoch and offset_key(place.offset) <= offset_key(known.offset)):
            return
        self._places[channel] = place
        await self._session.send_text(frame)

    async def _watch(self) -> None:
        await self._overflow.wait()
        await self._session.close(TOO_SLOW, "Events came faster than they were read. Resume from the last offset.")

    async def _read(self) -> None:
        with suppress(WebSocketDisconnect):
            async for text in self._session.messages():
                async with self._order:
                    await self._answer(text)

    async def _answer(self, text: str) -> None:
        frame: Frame = {}
        try:
            frame = parse_frame(text)
            await self._handle(frame)
        except Exception as error:
            problem = self._problem_of(error)
            if problem is None:
                raise
            channel = {"channel": frame["channel"]} if isinstance(frame.get("channel"), str) else {}
            await self._send({"op": "error", **channel, **problem.body()})

    async def _handle(self, frame: Frame) -> None:
        match frame.get("op"):
            case "ping":
                await self._send({"op": "pong"})
            case "subscribe":
                await self._subscribe(frame)
            case "unsubscribe":
                channel = authorize_channel(frame.get("channel"), self._principal)
                self._leave(channel)
                await self._send({"op": "unsubscribed", "channel": channel})
            case other:
                raise BadFrameError(f"Found op {shown(other)}. Use subscribe, unsubscribe or ping.")

    async def _subscribe(self, frame: Frame) -> None:
        channel = authorize_channel(frame.get("channel"), self._principal)
        after = position_of(frame)
        if len(self._places) >= _MAX_SUBSCRIPTIONS and channel not in self._places:
            raise BadFrameError(
                f"A connection has at most {_MAX_SUBSCRIPTIONS} channels. Unsubscribe from one, or open another."
            )
        await self._hub.join(channel, self)
        try:
            await self._begin(channel, after)
        except BaseException:
            self._leave(channel)
            raise

    async def _begin(self, channel: str, after: Position | None) -> None:
        missed = await self._hub.history(channel, after) if after else []
        if after is None or missed is None:
            place = self._places[channel] = await self._hub.position(channel)
            await self._session.send_text(place_frame("subscribed" if after is None else "reset", channel, place))
            return
        self._places[channel] = after
        await self._session.send_text(place_frame("subscribed", channel, after))
        for event in missed:
            await self._advance(channel, Position(event.epoch, event.offset), event_frame(event))

    def _leave(self, channel: str) -> None:
        self._places.pop(channel, None)
        self._hub.leave(channel, self)

    async def _send(self, frame: Frame) -> None:
        await self._session.send_text(json.dumps(frame))
