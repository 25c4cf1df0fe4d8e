"""One client's WebSocket connection."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket

from nexus_chassis.channels import Channel, Position
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal
from nexus_chassis.websocket_protocol import direct_writer, encode_text
from nexus_chassis.websocket_session import RESTART, TOKEN_EXPIRED, UNSUPPORTED_DATA
from nexus_gateway.events.channels import authorize_subscriber
from nexus_gateway.events.errors import BadFrameError, OtherSubjectError
from nexus_gateway.events.frames import Frame, Message, check_members, frame_text, parse_frame, place_text, position_of
from nexus_gateway.events.service import EventService
from nexus_gateway.events.subscription import Subscription
from nexus_gateway.metrics import EVENTS_SENT, SLOW_CONSUMERS

TOO_SLOW = 4408
MAX_SUBSCRIPTIONS = 64
"""Channels that a connection may subscribe to."""

MAX_WAITING_BYTES = 1024 * 1024
"""Bytes that may wait to be sent to a client; events that several are sent are held once."""

_SEND_SECONDS = 20.0
_sent = EVENTS_SENT.labels("websocket")

type ProblemOf = Callable[[Exception], Problem | None]
"""The problem details of an error; None for an error of the program itself."""

type Authenticate = Callable[[str], Awaitable[Principal]]
"""Who a token speaks for; raises the error that says why it is refused."""


class WebSocketConnection:
    """Answers the client's frames, and sends it the events of its channels: each once, in order.

    It has no task but the one that reads: events are written as they come, and timers end the connection.
    """

    __slots__ = ("_authenticate", "_events", "_expiry", "_principal", "_problem_of", "_socket", "_subscriptions", "_watch", "_writer")  # fmt: skip

    def __init__(
        self,
        socket: WebSocket,
        principal: Principal,
        events: EventService,
        authenticate: Authenticate,
        problem_of: ProblemOf,
    ) -> None:
        self._socket = socket
        self._writer = direct_writer(socket)
        self._writer.forget_handshake()
        self._events = events
        self._authenticate = authenticate
        self._problem_of = problem_of
        self._subscriptions: dict[Channel, Subscription] = {}
        self._begin(principal)

    def _begin(self, principal: Principal) -> None:
        """Act for the principal from now on, until its token ends."""
        self._principal = principal
        self._expiry = asyncio.get_running_loop().call_later(principal.expires_at - time.time(), self._expire)
        self._watch = self._events.revocations.watching(principal, self._check)
        self._watch.__enter__()

    def _stop(self) -> None:
        self._expiry.cancel()
        self._watch.__exit__(None, None, None)

    async def serve(self) -> None:
        """Until the client leaves, its token or session ends, the process drains, or the client reads too slowly."""
        self._events.connections.add(self)
        try:
            self._check()
            await self._read()
        finally:
            self._events.connections.discard(self)
            self._stop()
            for subscription in self._subscriptions.values():
                subscription.end()

    async def _read(self) -> None:
        while (message := await self._socket.receive())["type"] == "websocket.receive":
            text: str | None = message.get("text")
            if text is None:
                self._writer.end(UNSUPPORTED_DATA, "Messages are text frames.")
            else:
                await self._answer(text)

    def _expire(self) -> None:
        self._writer.end(TOKEN_EXPIRED, "The access token is no longer valid. Connect with a new one.")

    def _check(self) -> None:
        if self._events.revocations.reason(self._principal) is not None:
            self._expire()

    def reconnect(self, after_ms: int) -> None:
        """Ask the client to connect again after so many milliseconds, and close."""
        self._send({"op": "reconnect", "after_ms": after_ms})
        self._writer.end(RESTART, "The service restarts. Connect again.")

    def send_event(self, message: Message) -> None:
        """Send an event."""
        _sent.inc()
        self._write(message.frame)

    def send_place(self, op: str, channel: Channel, place: Position) -> None:
        """Send where a channel goes on."""
        self._write(encode_text(place_text(op, channel, place)))

    async def drained(self) -> None:
        """Return once few bytes wait to be sent, or the client reads too slowly."""
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            self._end_slow()

    def _send(self, frame: Frame) -> None:
        self._write(encode_text(frame_text(frame)))

    def _write(self, frame: bytes) -> None:
        if self._writer.write(frame) > MAX_WAITING_BYTES:
            self._end_slow()

    def _end_slow(self) -> None:
        SLOW_CONSUMERS.labels("websocket").inc()
        self._writer.end(TOO_SLOW, "Events came faster than they were read. Resume from the last offset.")

    async def _answer(self, text: str) -> None:
        frame: Frame = {}
        try:
            frame = parse_frame(text)
            await self._handle(check_members(frame), frame)
        except Exception as error:
            problem = self._problem_of(error)
            if problem is None:
                raise
            channel = {"channel": frame["channel"]} if isinstance(frame.get("channel"), str) else {}
            self._send({"op": "error", **channel, **problem.body()})

    async def _handle(self, op: str, frame: Frame) -> None:
        match op:
            case "ping":
                self._send({"op": "pong"})
            case "subscribe":
                await self._subscribe(frame)
            case "unsubscribe":
                self._unsubscribe(Channel.parse(frame.get("channel"), self._principal.tenant))
            case "publish":
                await self._publish(frame)
            case "auth":
                await self._renew(frame.get("token"))

    async def _subscribe(self, frame: Frame) -> None:
        channel = await authorize_subscriber(frame.get("channel"), self._principal)
        after = position_of(frame)
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS and channel not in self._subscriptions:
            raise BadFrameError(
                f"A connection has at most {MAX_SUBSCRIPTIONS} channels. Unsubscribe from one, or open another."
            )
        await self._events.admit(self._principal)
        self._leave(channel)
        subscription = Subscription(self._events.hub, channel, self)
        await subscription.begin(after)
        self._subscriptions[channel] = subscription

    def _unsubscribe(self, channel: Channel) -> None:
        self._leave(channel)
        self._send({"op": "unsubscribed", "channel": str(channel)})

    def _leave(self, channel: Channel) -> None:
        if (subscription := self._subscriptions.pop(channel, None)) is not None:
            subscription.end()

    async def _publish(self, frame: Frame) -> None:
        if "data" not in frame:
            raise BadFrameError("publish has no data. Send what to publish as data, null included.")
        channel, place = await self._events.publish(self._principal, frame.get("channel"), frame["data"])
        self._write(encode_text(place_text("published", channel, place)))

    async def _renew(self, token: object) -> None:
        """Go on with a new token, and leave the channels that it does not allow."""
        if not isinstance(token, str):
            raise BadFrameError("auth has no token. Send an access token as text.")
        principal = await self._authenticate(token)
        if (principal.subject, principal.tenant) != (self._principal.subject, self._principal.tenant):
            raise OtherSubjectError
        self._stop()
        self._begin(principal)
        self._send({"op": "authenticated", "expires_at": principal.expires_at})
        for channel in list(self._subscriptions):
            await self._leave_unless_allowed(channel)

    async def _leave_unless_allowed(self, channel: Channel) -> None:
        try:
            await authorize_subscriber(str(channel), self._principal)
        except Exception as error:
            if self._problem_of(error) is None:
                raise
            self._unsubscribe(channel)
