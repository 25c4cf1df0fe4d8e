"""Decisions of people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from classification_service.classify.labelled import LabelVector


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """What the service said before a decision; `by` is the person whose earlier decision that was."""

    code: str
    level: str
    confidence: float
    source: str
    model_version: str
    by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A code that a person chose for an item; `agreed_level` is the deepest level that the suggestion has in common with it."""

    item_id: str | None
    text: str
    language: str
    code: str
    level: str
    suggestion: Suggestion
    agreed_level: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLabel:
    """A text with its code and its vectors by the names of encoders: that for English, and the multilingual one."""

    key: bytes
    text: str
    language: str
    code: str
    vectors: Mapping[str, LabelVector]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLabel:
    """A label as it is kept, with its vectors by the names of encoders."""

    key: bytes
    text: str
    code: str
    generation: int
    vectors: dict[str, LabelVector]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What became of the labels of an earlier version: taken over, or classified anew, of which some are to be reviewed."""

    generation: int
    carried: int
    classified: int
    queued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """A decision as it is kept."""

    id: int
    decision: Decision
    decided_by: str
    decided_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """How many decisions are alike: who made them, what was suggested, and how far both agree."""

    decided_by: str
    level: str
    suggested_level: str
    suggested_source: str
    of_another: bool
    agreed_level: str | None
    decisions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Decisions about suggestions of about the same confidence, and how many of these were right."""

    number: int
    decisions: int
    right: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """All groups and buckets."""

    groups: Sequence[Group]
    buckets: Sequence[Bucket]
