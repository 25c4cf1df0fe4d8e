"""What the review queue holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


class Scope(NamedTuple):
    """Whose rows are meant: a version of a taxonomy, and a tenant, which is empty for none."""

    taxonomy: str
    version: str
    tenant: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """An answer that people should check; `candidates` are codes with their confidences, `certainty` is that of the first."""

    key: bytes
    item: Mapping[str, Any]
    code: str
    confidence: float
    certainty: float
    candidates: Sequence[tuple[str, float]]
    model_version: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedRow:
    """A row of the queue: `gain` is how many answers it is expected to set right, in the order of the queue."""

    id: int
    item: Mapping[str, Any]
    code: str
    confidence: float
    candidates: Sequence[tuple[str, float]]
    model_version: str
    times: int
    gain: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row is in the order of the queue."""

    gain: float
    id: int

    def __str__(self) -> str:
        return f"{self.gain!r}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """The place that a text names, which is one as of PLACE."""
        gain, _, row = text.rpartition("-")
        return cls(float(gain), int(row))


PLACE = r"^[0-9]{1,10}(\.[0-9]{1,20})?(e-[0-9]{1,2})?-[0-9]{1,18}$"
"""What places look like in addresses."""

START = Place(float("inf"), 0)
"""Before all rows."""
