"""Sessions as people know them: the device, and since when."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from nexus_gateway.account.service import Session

# The first that is found counts: many name themselves after others as well.
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {
    "Windows": "Windows",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}
_MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Device:
    """A session of a user, for display."""

    session: str
    name: str
    address: str
    created: datetime
    seen: datetime
    is_current: bool


def devices(sessions: Iterable[Session], current: str) -> list[Device]:
    """The user's devices: that of the session `current` first, then those seen last."""
    found = [
        Device(
            session.id,
            device_name(session.agent),
            session.address,
            datetime.fromtimestamp(session.created, UTC),
            datetime.fromtimestamp(session.seen, UTC),
            session.id == current,
        )
        for session in sessions
    ]
    return sorted(found, key=lambda device: (not device.is_current, -device.seen.timestamp()))


def device_name(agent: str) -> str:
    """A short name for what calls itself `agent` (RFC 9110 section 10.1.5)."""
    browser = _first(_BROWSERS, agent)
    system = _first(_SYSTEMS, agent)
    if browser and system:
        return f"{browser} on {system}"
    return re.sub(r"\s+", " ", agent).strip()[:_MAX_NAME] or "Unknown device"


def _first(names: dict[str, str], agent: str) -> str | None:
    return next((name for part, name in names.items() if part in agent), None)
