"""What GET /v1/review answers."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Query
from pydantic import BaseModel, Field

from classification_service.classify.schemas import CandidateOut
from classification_service.review.models import PLACE, QueuedRow
from classification_service.taxonomies.errors import UnknownCodeError
from classification_service.taxonomies.models import Node, Taxonomy
from classification_service.taxonomies.schemas import CodeRef

type TaxonomyQuery = Annotated[str, Query(pattern=r"^[a-z]{1,40}$")]
type VersionQuery = Annotated[
    str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$", description="the default where it is left out")
]
type AfterQuery = Annotated[str, Query(pattern=PLACE, max_length=60, description="the `next` of the page before")]
type LimitQuery = Annotated[int, Query(ge=1, le=1000)]


class ReviewRow(BaseModel):
    """An answer to check. `item` is as it was sent; POST /v1/feedback takes it with the code that is chosen."""

    id: int
    item: Mapping[str, Any]
    code: str
    title: str
    path: list[CodeRef]
    confidence: float
    candidates: list[CandidateOut]
    model_version: str
    times: int = Field(description="how often it was asked for")
    gain: float = Field(description="answers that a decision is expected to set right")

    @classmethod
    def of(cls, row: QueuedRow, taxonomy: Taxonomy) -> "ReviewRow":
        """What is answered of a row."""
        node = _node(taxonomy, row.code)
        candidates = [(_node(taxonomy, code), confidence) for code, confidence in row.candidates]
        return cls(
            id=row.id,
            item=row.item,
            code=row.code,
            title=node.title,
            path=[CodeRef.of(above) for above in _path(taxonomy, row.code)],
            confidence=round(row.confidence, 4),
            candidates=[
                CandidateOut(code=candidate.code, title=candidate.title, confidence=confidence)
                for candidate, confidence in candidates
            ],
            model_version=row.model_version,
            times=row.times,
            gain=round(row.gain, 4),
        )


def _node(taxonomy: Taxonomy, code: str) -> Node:
    """The code; with an empty title where another import of the version had it."""
    path = _path(taxonomy, code)
    return path[-1] if path else Node(code, "", "", None, ())


def _path(taxonomy: Taxonomy, code: str) -> list[Node]:
    try:
        return taxonomy.path(taxonomy.get(code))
    except UnknownCodeError:
        return []


class ReviewPage(BaseModel):
    """The most useful rows, and how many there are in all; `next` is the `after` of the page after it, null on the last."""

    taxonomy: str
    version: str
    rows: int
    items: list[ReviewRow]
    next: str | None
