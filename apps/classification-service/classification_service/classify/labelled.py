"""Texts whose codes people have checked: each counts as one more text of its code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from classification_service.classify.text import text_key
from classification_service.encoder.backend import Vectors
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.packed import PackedVectors

DECIDED_CONFIDENCE = 0.99
"""That of a code which a person chose for the same text: people err too."""

MAX_NEIGHBOURS = 5
_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class Label:
    """A text with the position of its code; the vector in whole numbers of one byte, and its scale."""

    text: str
    position: int
    scale: float
    vector: bytes


class LabelledExamples:
    """Labels of one version that do not change; `texts` and `positions` of their codes are in one order."""

    def __init__(self, labels: Sequence[Label], dimension: int) -> None:
        ordered = sorted(labels, key=lambda label: label.position)
        self.texts = [label.text for label in ordered]
        self.positions = np.array([label.position for label in ordered], np.int64)
        self._codes, self._starts = np.unique(self.positions, return_index=True)
        self._decided = {text_key(label.text): label.position for label in ordered}
        vectors = np.frombuffer(b"".join(label.vector for label in ordered), np.int8).reshape(-1, dimension)
        scales = np.array([label.scale for label in ordered], np.float32)
        self._vectors = PackedVectors({"vectors": vectors, "scales": scales})

    def decided(self, text: str) -> int | None:
        """The position of the code that was chosen for this very text."""
        return self._decided.get(text_key(text))

    def nearness(self, vectors: Vectors) -> Vectors:
        """[vector, label] the dot product of each of `vectors` with that of each label."""
        return self._vectors.nearness(vectors)

    def lift(self, codes: Vectors, labels: Vectors) -> None:
        """Raise the nearness of codes [vector, code] to that of their nearest labels [vector, label]."""
        nearest = np.maximum.reduceat(labels, self._starts, axis=1)
        codes[:, self._codes] = np.maximum(codes[:, self._codes], nearest)

    def neighbours(self, nearness: NDArray[np.float32]) -> list[tuple[str, int]]:
        """The nearest labels of one vector with the positions of their codes, nearest first; none that are far."""
        count = min(MAX_NEIGHBOURS, len(nearness))
        nearest = np.argpartition(-nearness, count - 1)[:count]
        ordered = nearest[np.argsort(-nearness[nearest], kind="stable")]
        return [(self.texts[place], int(self.positions[place])) for place in ordered if nearness[place] >= _NEAR]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a version's labels now.

    `generation` changes with each correction, None while that cannot be read; `scope` names whose labels they are, empty
    where `examples` is None.
    """

    generation: int | None
    scope: str = ""
    examples: LabelledExamples | None = None


class Labels(Protocol):
    """Knows the labels of all versions. It answers at once, also where its store is away."""

    async def current(self, taxonomy: Taxonomy, tenant: str | None) -> Known:
        """The labels of a tenant as of now: all corrections count that were answered before."""
        ...
