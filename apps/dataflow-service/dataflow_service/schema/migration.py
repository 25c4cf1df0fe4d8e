"""A plan in the ledger."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dataflow_service.schema.steps import Steps
from dataflow_service.schema.tables import Declared


class State(StrEnum):
    """How far a plan is."""

    APPLYING = "applying"
    APPLIED = "applied"
    ROLLING_BACK = "rolling back"
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    """Nothing of it is in effect. Only plans that nobody waits for are kept in this state."""
    REPLACED = "replaced"
    """It was applied from a file, in whose place a squashed one is now."""


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of a plan: when it was begun, and how long it took or why it failed."""

    started_at: datetime
    seconds: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Migration:
    """A plan in the ledger. `done` of its steps are in effect; `progress` has those that were begun, by number from 1.

    `file` names the file that it is of, None for one that was applied by its checksum. `tables` is JSON of what it declared.
    """

    id: int
    checksum: str
    text: str
    steps: Steps
    declared: Declared
    state: State
    done: int
    started_at: datetime
    applied_at: datetime | None
    rolled_back_at: datetime | None
    file: str | None
    file_checksum: str | None
    tables: str | None
    progress: Mapping[int, Progress]
