"""A plan in the ledger."""

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


@dataclass(frozen=True, slots=True)
class Migration:
    """A plan in the ledger. `done` of its steps are in effect."""

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
