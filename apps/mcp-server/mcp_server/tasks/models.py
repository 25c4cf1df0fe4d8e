"""A task."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

WORKING, INPUT_REQUIRED, COMPLETED, CANCELLED, FAILED = "working", "input_required", "completed", "cancelled", "failed"
_ENDED = frozenset({COMPLETED, CANCELLED, FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The call of a tool as a task.

    `requests` are those to the client that are open, `responses` its answers so far, and `state` what the tool kept
    from its last round. `outcome` is the result or the error by that name. Times are in ISO 8601.
    """

    task_id: str
    tool: str
    arguments: dict[str, Any]
    capabilities: dict[str, Any]
    created_at: str
    updated_at: str
    ttl_ms: int
    status: str = WORKING
    message: str | None = None
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    responses: dict[str, dict[str, Any]] = field(default_factory=dict)
    state: Any = None
    round: int = 0
    outcome: dict[str, Any] = field(default_factory=dict)

    @property
    def remaining_ms(self) -> int:
        """How long it is still kept; below 1 when that time is over."""
        age = datetime.now(UTC) - datetime.fromisoformat(self.created_at)
        return self.ttl_ms - int(age.total_seconds() * 1000)

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes it any more."""
        return self.status in _ENDED

    def changed(self, **changes: Any) -> "Task":  # noqa: ANN401  those of the fields
        """Return the task after a change that happens now."""
        return replace(self, updated_at=now(), **changes)

    def summary(self) -> dict[str, Any]:
        """Return what every message about a task has."""
        message = {} if self.message is None else {"statusMessage": self.message}
        return {
            "taskId": self.task_id,
            "status": self.status,
            **message,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.updated_at,
            "ttlMs": self.ttl_ms,
            "pollIntervalMs": POLL_MILLISECONDS,
        }

    def details(self) -> dict[str, Any]:
        """Return what tasks/get answers."""
        requests = {"inputRequests": self.requests} if self.status == INPUT_REQUIRED else {}
        return {**self.summary(), **requests, **self.outcome}


POLL_MILLISECONDS = 1000


def now() -> str:
    """Return the time."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
