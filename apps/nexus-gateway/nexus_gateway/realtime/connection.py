"""One client's WebSocket connection."""

import asyncio
import json
import re
import time
from contextlib import suppress
from typing import Any

from redis.asyncio import Redis
from starlette.websockets import WebSocket, WebSocketDisconnect

from nexus_chassis.channels import Event, Position, history, order, position
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal
from nexus_gateway.realtime.channels import require_audible
from nexus_gateway.realtime.hub import Hub, event_frame
from nexus_gateway.sessions.service import SessionService
from nexus_gateway.unavailable import channels_may_be_away

TOKEN_EXPIRED = 4401
TOO_SLOW = 4408
_RECHECK_SECONDS = 10.0
_CLOSE_SECONDS = 5.0
_QUEUE = 1024
_SUBSCRIPTIONS = 64
_OFFSET = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")

type Frame = dict[str, Any]


class Connection:
    """Answers the client's frames, and sends it the events of its channels: each once, in order."""

    def __init__(
        self, socket: WebSocket, principal: Principal, sessions: SessionService, hub: Hub, redis: Redis
    ) -> None:
        self._sessions = sessions
        self._socket = socket
        self._principal = principal
        self._hub = hub
        self._redis = redis
        self._places: dict[str, Position] = {}
        self._queue: asyncio.Queue[tuple[str, Position, str]] = asyncio.Queue(_QUEUE)
        self._overflow = asyncio.Event()
        self._order = asyncio.Lock()

    async def serve(self) -> None:
        """Until the client leaves, its token expires, or it reads too slowly."""
        tasks = [asyncio.create_task(part) for part in (self._read(), self._write(), self._expire(), self._watch())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for channel in list(self._places):
                self._leave(channel)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            task.result()

    def hear(self, event: Event, frame: str) -> None:
        """Take an event from the hub."""
        self._enqueue(event.channel, Position(event.epoch, event.offset), frame)

    def lost(self, channel: str, place: Position) -> None:
        """Take from the hub that events are lost."""
        self._enqueue(channel, place, _text("reset", channel, place))

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
        if known is None or (known.epoch == place.epoch and order(place.offset) <= order(known.offset)):
            return
        self._places[channel] = place
        await self._socket.send_text(frame)

    async def _expire(self) -> None:
        """Close when the token expires or its session is ended."""
        while (left := self._principal.expires_at - time.time()) > 0:
            await asyncio.sleep(min(left, _RECHECK_SECONDS))
            if not await self._is_alive():
                break
        await self._close(TOKEN_EXPIRED, "the access token does not count any more")

    async def _is_alive(self) -> bool:
        try:
            return await self._sessions.is_alive(self._principal)
        except Problem:  # it cannot be known now, and nothing is sent meanwhile either
            return True

    async def _watch(self) -> None:
        await self._overflow.wait()
        await self._close(TOO_SLOW, "events came faster than they were read; resume from the last offset")

    async def _close(self, code: int, reason: str) -> None:
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):  # the client may be leaving by itself
            async with asyncio.timeout(_CLOSE_SECONDS):  # one that reads nothing takes no close frame either
                await self._socket.close(code, reason)

    async def _read(self) -> None:
        with suppress(WebSocketDisconnect):
            while True:
                text = await self._socket.receive_text()
                async with self._order:
                    await self._answer(text)

    async def _answer(self, text: str) -> None:
        frame: Frame = {}
        try:
            frame = _parsed(text)
            await self._obey(frame)
        except Problem as problem:
            channel = {"channel": frame["channel"]} if isinstance(frame.get("channel"), str) else {}
            await self._send({"op": "error"} | channel | problem.body())

    async def _obey(self, frame: Frame) -> None:
        match frame.get("op"):
            case "ping":
                await self._send({"op": "pong"})
            case "subscribe":
                await self._subscribe(frame)
            case "unsubscribe":
                channel = require_audible(frame.get("channel"), self._principal)
                self._leave(channel)
                await self._send({"op": "unsubscribed", "channel": channel})
            case other:
                raise _bad_frame(f"Found op {other!r}. Use subscribe, unsubscribe or ping.")

    async def _subscribe(self, frame: Frame) -> None:
        channel = require_audible(frame.get("channel"), self._principal)
        after = _position(frame)
        if len(self._places) >= _SUBSCRIPTIONS and channel not in self._places:
            raise _bad_frame(
                f"A connection hears at most {_SUBSCRIPTIONS} channels. Unsubscribe from one, or open another."
            )
        with channels_may_be_away():
            await self._hub.join(channel, self)
            try:
                await self._begin(channel, after)
            except BaseException:
                self._leave(channel)
                raise

    async def _begin(self, channel: str, after: Position | None) -> None:
        missed = await history(self._redis, channel, after) if after else []
        if after is None or missed is None:
            self._places[channel] = await position(self._redis, channel)
            await self._socket.send_text(
                _text("subscribed" if after is None else "reset", channel, self._places[channel])
            )
            return
        self._places[channel] = after
        await self._socket.send_text(_text("subscribed", channel, after))
        for event in missed:
            await self._advance(channel, Position(event.epoch, event.offset), event_frame(event))

    def _leave(self, channel: str) -> None:
        self._places.pop(channel, None)
        self._hub.leave(channel, self)

    async def _send(self, frame: Frame) -> None:
        await self._socket.send_text(json.dumps(frame))


def _parsed(text: str) -> Frame:
    try:
        frame = json.loads(text)
    except (ValueError, RecursionError):
        frame = None
    if not isinstance(frame, dict):
        raise _bad_frame("It is not a JSON object.")
    return frame


def _position(frame: Frame) -> Position | None:
    epoch, offset = frame.get("epoch"), frame.get("offset")
    if epoch is None and offset is None:
        return None
    if not isinstance(offset, str) or not _OFFSET.fullmatch(offset):
        raise _bad_frame(f"Found offset {offset!r}. Send epoch and offset as the last event had them.")
    if not isinstance(epoch, str):
        raise _bad_frame(f"Found epoch {epoch!r}. Send epoch and offset as the last event had them.")
    return Position(epoch, offset)


def _bad_frame(detail: str) -> Problem:
    return Problem(400, "bad-frame", "The frame is not understood", detail)


def _text(op: str, channel: str, place: Position) -> str:
    return json.dumps({"op": op, "channel": channel, "epoch": place.epoch, "offset": place.offset})
