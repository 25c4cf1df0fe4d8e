"""The frames of the WebSocket protocol: what clients send, and what they are sent."""

import json
import re
from typing import Any

from nexus_chassis import strict_json
from nexus_chassis.channels import Event, Position
from nexus_chassis.strict_json import InvalidJsonError
from nexus_gateway.events.errors import BadFrameError

_OFFSET = re.compile(r"[0-9]{1,19}(-[0-9]{1,19})?")
_SHOWN = 100  # characters of what a client sent, in an error that goes back to it

type Frame = dict[str, Any]


def parse_frame(text: str) -> Frame:
    """The frame in a message; raises BadFrameError."""
    try:
        frame = strict_json.loads(text)
    except InvalidJsonError as error:
        raise BadFrameError(f"It is not JSON: {error}.") from None
    if not isinstance(frame, dict):
        raise BadFrameError("It is not a JSON object.")
    return frame


def position_of(frame: Frame) -> Position | None:
    """The place that a client resumes from, if it names one; raises BadFrameError."""
    epoch, offset = frame.get("epoch"), frame.get("offset")
    if epoch is None and offset is None:
        return None
    if not isinstance(offset, str) or not _OFFSET.fullmatch(offset):
        raise BadFrameError(f"Found offset {shown(offset)}. Send epoch and offset as the last event had them.")
    if not isinstance(epoch, str):
        raise BadFrameError(f"Found epoch {shown(epoch)}. Send epoch and offset as the last event had them.")
    return Position(epoch, offset)


def shown(value: object) -> str:
    """A value that a client sent, for an error message."""
    return repr(value)[:_SHOWN]


def event_frame(event: Event) -> str:
    """The frame of an event."""
    frame = {
        "op": "event",
        "channel": event.channel,
        "epoch": event.epoch,
        "offset": event.offset,
        "data": event.data,
    }
    return json.dumps(frame, separators=(",", ":"))


def place_frame(op: str, channel: str, place: Position) -> str:
    """A frame that says where a channel goes on."""
    return json.dumps({"op": op, "channel": channel, "epoch": place.epoch, "offset": place.offset})
