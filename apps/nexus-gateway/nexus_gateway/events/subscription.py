"""One subscriber's place in one channel: each event once, in order, also while it catches up."""

from typing import Protocol

from nexus_chassis.channels import START, Channel, Position, offset_key
from nexus_gateway.events.frames import Message
from nexus_gateway.events.hub import Hub

_MAX_PENDING = 256


class Sink(Protocol):
    """Who is sent the events of one or more channels. Only `drained` waits."""

    def send_event(self, message: Message) -> None:
        """Send an event."""

    def send_place(self, op: str, channel: Channel, place: Position) -> None:
        """Send where a channel goes on: `subscribed`, or `reset` where events are lost."""

    async def drained(self) -> None:
        """Return once most of what was sent is on its way."""


class Subscription:
    """Passes the events of a channel to a sink: those of the hub, after those that it missed before."""

    __slots__ = ("_behind", "_epoch", "_hub", "_offset", "_order", "_pending", "_sink", "channel")

    def __init__(self, hub: Hub, channel: Channel, sink: Sink) -> None:
        self.channel = channel
        self._hub = hub
        self._sink = sink
        self._epoch = ""
        self._offset = START
        self._order = (0, 0)
        self._pending: list[Message] | None = []  # what the hub passes on meanwhile; None once it has caught up
        self._behind = False

    async def begin(self, after: Position | None) -> None:
        """Send `subscribed` or `reset`, then what is missed since `after`, and from then on what is published.

        Raises RedisUnavailableError or PoolExhaustedError.
        """
        await self._hub.join(self.channel, self)
        try:
            await self._begin(after)
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """Send nothing more."""
        self._hub.leave(self.channel, self)

    async def _begin(self, after: Position | None) -> None:
        if after is None:
            self._go_to("subscribed", await self._hub.position(self.channel))
        else:
            await self._replay(after, confirm=True)
        while self._behind:
            self._behind = False
            self._pending = []
            await self._replay(Position(self._epoch, self._offset), confirm=False)
        pending, self._pending = self._pending or [], None
        for message in pending:
            self.on_event(message)

    async def _replay(self, after: Position, *, confirm: bool) -> None:
        missed = await self._hub.history(self.channel, after)
        if missed is None:
            self._go_to("reset", await self._hub.position(self.channel))
            return
        if confirm:
            self._go_to("subscribed", after)
        for message in missed:
            self._send(message)
            await self._sink.drained()

    def on_event(self, message: Message) -> None:
        """Receive an event from the hub."""
        if self._pending is None:
            self._send(message)
        elif len(self._pending) < _MAX_PENDING:
            self._pending.append(message)
        else:
            self._behind = True

    def on_gap(self, place: Position) -> None:
        """Receive from the hub that events are lost."""
        if self._pending is not None:
            self._behind = True
        elif place.epoch != self._epoch or offset_key(place.offset) > self._order:
            self._go_to("reset", place)

    def _send(self, message: Message) -> None:
        epoch = message.place.epoch
        if epoch == self._epoch:
            if message.order <= self._order:
                return  # the client has it
        elif self._epoch:
            self._go_to("reset", message.place)
            return
        self._epoch, self._offset, self._order = epoch, message.place.offset, message.order
        self._sink.send_event(message)

    def _go_to(self, op: str, place: Position) -> None:
        self._epoch, self._offset, self._order = place.epoch, place.offset, offset_key(place.offset)
        self._sink.send_place(op, self.channel, place)
