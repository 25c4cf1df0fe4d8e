"""Events that somebody can cause as often as they like: the first is recorded, the others are counted for a minute."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace

from nexus_gateway.audit.models import AuditEvent

WINDOW_SECONDS = 60.0
MAX_COUNTED = 256
"""Groups of one action that are counted apart at once; what comes on top is counted together."""


@dataclass(slots=True)
class _Group:
    event: AuditEvent
    began: float
    repeats: int = 0


class Tally:
    """Counts events in groups, of which a minute has at most two rows.

    A group has the same action, subject, client and address, and where there is no subject the same target.
    """

    def __init__(self) -> None:
        self._groups: dict[str, dict[Hashable, _Group]] = {}

    def add(self, event: AuditEvent, now: float) -> AuditEvent | None:
        """The event, if it is to be recorded now; None when it is counted instead."""
        groups = self._groups.setdefault(event.action, {})
        key: Hashable = (event.subject or event.target, event.client_id, event.address)
        if key not in groups and len(groups) >= MAX_COUNTED:
            key = None
            event = AuditEvent(event.action, event.outcome, detail={"of": "others"})
        if (group := groups.get(key)) is not None:
            group.repeats += 1
            return None
        groups[key] = _Group(event, now)
        return event

    def ended(self, now: float) -> Iterator[AuditEvent]:
        """The events that were counted in windows that ended: the first, with how many followed it."""
        for groups in self._groups.values():
            for key, group in list(groups.items()):
                if group.began + WINDOW_SECONDS <= now:
                    del groups[key]
                    if group.repeats:
                        yield _counted(group)


def _counted(group: _Group) -> AuditEvent:
    return replace(group.event, detail={**group.event.detail, "repeated": str(group.repeats)})
