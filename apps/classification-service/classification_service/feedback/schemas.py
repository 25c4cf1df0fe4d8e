"""What the endpoints of feedback take and answer."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from classification_service.classify.schemas import MAX_ITEMS, Item
from classification_service.feedback.models import Bucket, Decision, Group, Statistics, StoredDecision
from classification_service.taxonomies.importers.tree import LEVELS
from nexus_chassis.schemas import RequestModel

_NAME = r"^[a-z]{1,40}$"
_VERSION = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$"
_BUCKETS = 10

type TaxonomyQuery = Annotated[str, Query(pattern=_NAME)]
type VersionQuery = Annotated[str, Query(pattern=_VERSION, description="the default where it is left out")]
type PersonQuery = Annotated[
    str, Query(pattern=r"^[^\x00]{1,200}$", description="whose decisions: a subject of tokens")
]
type BeforeQuery = Annotated[int, Query(ge=1, lt=2**63, description="the `next` of the page before")]
type LimitQuery = Annotated[int, Query(ge=1, le=1000)]
type DaysQuery = Annotated[int, Query(ge=1, le=3650, description="of the last so many days")]


class FeedbackItem(Item):
    """A product and its right code, at any level."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")]


class FeedbackRequest(RequestModel):
    """Decisions; they count all or none."""

    items: Annotated[list[FeedbackItem], Field(min_length=1, max_length=MAX_ITEMS)]
    taxonomy: Annotated[str, Field(pattern=_NAME)]
    version: Annotated[str, Field(pattern=_VERSION)] | None = None
    unless_decided: bool = Field(
        default=False, description="refuse all of them with 409 where somebody else has decided one of the texts"
    )


class CarryRequest(RequestModel):
    """Which labels are taken where: those of the imported version `since` to `version`."""

    taxonomy: Annotated[str, Field(pattern=_NAME)]
    since: Annotated[str, Field(pattern=_VERSION)]
    version: Annotated[str, Field(pattern=_VERSION)]


class CarryResponse(CarryRequest):
    """How many labels were taken over, how many texts of retired codes classified, and how many of these are to be reviewed."""

    generation: int
    carried: int
    classified: int
    queued: int


class SuggestionOut(BaseModel):
    """What the service said before; `by` is the person whose earlier decision that was."""

    code: str
    level: str
    confidence: float
    source: str
    model_version: str
    by: str | None


class DecisionOut(BaseModel):
    """A decision. `agreed_level` is the deepest level that both codes have in common, null for none."""

    id: str | None = Field(description="that of the item")
    text: str
    language: str
    code: str
    level: str
    suggestion: SuggestionOut
    agreed_level: str | None

    @classmethod
    def of(cls, decision: Decision) -> "DecisionOut":
        """What is answered of a decision."""
        suggestion = decision.suggestion
        return cls(
            id=decision.item_id,
            text=decision.text,
            language=decision.language,
            code=decision.code,
            level=decision.level,
            suggestion=SuggestionOut(
                code=suggestion.code,
                level=suggestion.level,
                confidence=round(suggestion.confidence, 4),
                source=suggestion.source,
                model_version=suggestion.model_version,
                by=suggestion.by,
            ),
            agreed_level=decision.agreed_level,
        )


class FeedbackResponse(BaseModel):
    """The decisions, in the order of the request. They count for all requests from now on."""

    taxonomy: str
    version: str
    generation: int
    items: list[DecisionOut]


class DecidedOut(DecisionOut):
    """A decision, who made it and when."""

    decided_by: str
    decided_at: datetime

    @classmethod
    def of_stored(cls, stored: StoredDecision) -> "DecidedOut":
        """What is answered of a stored decision."""
        decision = DecisionOut.of(stored.decision)
        return cls(**dict(decision), decided_by=stored.decided_by, decided_at=stored.decided_at)


class DecisionPage(BaseModel):
    """Decisions, the latest first; `next` is the `before` of the page after it, null on the last."""

    taxonomy: str
    version: str
    items: list[DecidedOut]
    next: int | None


class LevelAgreement(BaseModel):
    """At one level: decisions that name a code at or below it, suggestions that do, and those that are the same there."""

    decided: int
    suggested: int
    agreed: int


class PersonAgreement(BaseModel):
    """One person's decisions, and how many of the suggestions they found right."""

    subject: str
    decisions: int
    agreed: int


class Agreement(BaseModel):
    """Decisions, and how many of the suggestions were right."""

    decisions: int
    agreed: int


class ConfidenceBucket(BaseModel):
    """Suggestions of models whose confidence is from `over` up: their mean confidence, and how many were right."""

    over: float
    decisions: int
    agreed: int
    confidence: float


class StatisticsOut(BaseModel):
    """How decisions compare with what was suggested: with models by level, person and confidence, and with other people."""

    taxonomy: str
    version: str
    models: Agreement
    levels: dict[str, LevelAgreement]
    people: list[PersonAgreement]
    between_people: Agreement
    calibration: list[ConfidenceBucket]

    @classmethod
    def of(cls, taxonomy: str, version: str, statistics: Statistics) -> "StatisticsOut":
        """What is answered of the groups."""
        of_models = [group for group in statistics.groups if group.suggested_source != "human"]
        of_people = [group for group in statistics.groups if group.suggested_source == "human" and group.of_another]
        return cls(
            taxonomy=taxonomy,
            version=version,
            models=_agreement(of_models),
            levels=_levels(LEVELS[taxonomy], of_models),
            people=_people(of_models),
            between_people=_agreement(of_people),
            calibration=[_bucket(bucket) for bucket in statistics.buckets],
        )


def _is_right(group: Group) -> bool:
    return group.agreed_level == group.suggested_level


def _agreement(groups: Sequence[Group]) -> Agreement:
    agreed = sum(group.decisions for group in groups if _is_right(group))
    return Agreement(decisions=sum(group.decisions for group in groups), agreed=agreed)


def _levels(levels: Sequence[str], groups: Sequence[Group]) -> dict[str, LevelAgreement]:
    depths = {level: depth for depth, level in enumerate(levels)}

    def count(named: Iterable[tuple[str | None, int]], depth: int) -> int:
        return sum(number for level, number in named if level is not None and depths[level] >= depth)

    return {
        level: LevelAgreement(
            decided=count(((group.level, group.decisions) for group in groups), depth),
            suggested=count(((group.suggested_level, group.decisions) for group in groups), depth),
            agreed=count(((group.agreed_level, group.decisions) for group in groups), depth),
        )
        for level, depth in depths.items()
    }


def _people(groups: Sequence[Group]) -> list[PersonAgreement]:
    decisions: Counter[str] = Counter()
    agreed: Counter[str] = Counter()
    for group in groups:
        decisions[group.decided_by] += group.decisions
        agreed[group.decided_by] += group.decisions * _is_right(group)
    return [
        PersonAgreement(subject=subject, decisions=number, agreed=agreed[subject])
        for subject, number in decisions.most_common()
    ]


def _bucket(bucket: Bucket) -> ConfidenceBucket:
    return ConfidenceBucket(
        over=(bucket.number - 1) / _BUCKETS,
        decisions=bucket.decisions,
        agreed=bucket.right,
        confidence=round(bucket.confidence, 4),
    )
