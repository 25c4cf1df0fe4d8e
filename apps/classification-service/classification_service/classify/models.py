"""What the classifier returns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from classification_service.taxonomies.models import Node


@dataclass(frozen=True, kw_only=True)
class MlModel:
    """A model that is loaded: `id` is the model_version of its answers, `device` what it computes on.

    `languages` are those of the texts that it classifies, as first subtags of BCP 47 tags.
    """

    id: str
    taxonomy: str
    taxonomy_version: str
    encoder: str
    dimension: int
    device: str
    threads: int
    languages: Sequence[str]


@dataclass(frozen=True)
class Candidate:
    """A code that a text may belong to, without the codes below it, and how likely that is."""

    node: Node
    confidence: float


@dataclass(frozen=True)
class Labelled:
    """A text like the one that is classified, and its code, which people have checked."""

    text: str
    node: Node


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to an item of a request: its text as it was classified, and all that the item has."""

    text: str
    item: Mapping[str, Any]
    code: str
    confidence: float
    candidates: Sequence[Candidate]
    model_version: str


@dataclass(frozen=True)
class Classification:
    """The code of a text: `path` leads from the root to it, `confidence` is the probability of it and what is below.

    `neighbours` are the nearest texts whose codes are known, nearest first, where they were asked for.
    """

    path: list[Node]
    confidence: float
    candidates: list[Candidate]
    neighbours: list[Labelled] = field(default_factory=list)

    @property
    def node(self) -> Node:
        """The code itself."""
        return self.path[-1]
