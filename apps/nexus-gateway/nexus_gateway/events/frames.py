"""The frames of the WebSocket protocol: what clients send, and what they are sent."""

import json
from typing import Any

from nexus_chassis import strict_json
from nexus_chassis.channels import Channel, Event, Position, offset_key
from nexus_chassis.strict_json import InvalidJsonError
from nexus_chassis.websocket_protocol import encode_text
from nexus_gateway.events.errors import BadFrameError

_SHOWN = 100  # characters of what a client sent, in an error that goes back to it
_MEMBERS = {
    "auth": frozenset({"op", "token"}),
    "ping": frozenset({"op"}),
    "publish": frozenset({"op", "channel", "data"}),
    "subscribe": frozenset({"op", "channel", "epoch", "offset"}),
    "unsubscribe": frozenset({"op", "channel"}),
}

type Frame = dict[str, Any]


class Message:
    """An event as clients are sent it, encoded once for all of them."""

    __slots__ = ("_frame", "channel", "event", "order", "place", "text")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.channel = event.channel
        self.place = Position(event.epoch, event.offset, event.bytes)
        self.order = offset_key(event.offset)
        self.text = frame_text(
            {
                "op": "event",
                "channel": str(event.channel),
                "epoch": event.epoch,
                "offset": event.offset,
                "data": event.data,
            }
        )
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        """The frame of the WebSocket protocol."""
        if self._frame is None:
            self._frame = encode_text(self.text)
        return self._frame


def frame_text(frame: Frame) -> str:
    """The text of a frame: JSON in the same UTF-8 bytes as the event was published in, so that it is no longer."""
    return json.dumps(frame, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def place_text(op: str, channel: Channel, place: Position) -> str:
    """The text of a frame that says where a channel goes on."""
    return frame_text({"op": op, "channel": str(channel), "epoch": place.epoch, "offset": place.offset})


def parse_frame(text: str) -> Frame:
    """The frame in a message; raises BadFrameError."""
    try:
        frame = strict_json.loads(text)
    except InvalidJsonError as error:
        raise BadFrameError(f"It is not JSON: {error}.") from None
    if not isinstance(frame, dict):
        raise BadFrameError("It is not a JSON object.")
    return frame


def check_members(frame: Frame) -> str:
    """The operation of a frame that has only members it knows; raises BadFrameError."""
    op = frame.get("op")
    members = _MEMBERS.get(op) if isinstance(op, str) else None
    if members is None:
        raise BadFrameError(f"Found op {shown(op)}. Use {', '.join(sorted(_MEMBERS))}.")
    if unknown := sorted(frame.keys() - members):
        raise BadFrameError(f"Found the member {shown(unknown[0])}. {op} has {', '.join(sorted(members))}.")
    return str(op)


def position_of(frame: Frame) -> Position | None:
    """The place that a client resumes from, if it names one; raises BadFrameError."""
    epoch, offset = frame.get("epoch"), frame.get("offset")
    if epoch is None and offset is None:
        return None
    if not isinstance(offset, str) or not _is_offset(offset):
        raise BadFrameError(f"Found offset {shown(offset)}. Send epoch and offset as the last event had them.")
    if not isinstance(epoch, str):
        raise BadFrameError(f"Found epoch {shown(epoch)}. Send epoch and offset as the last event had them.")
    return Position(epoch, offset)


def _is_offset(text: str) -> bool:
    try:
        return bool(offset_key(text))
    except ValueError:
        return False


def shown(value: object) -> str:
    """A value that a client sent, for an error message."""
    return repr(value)[:_SHOWN]
