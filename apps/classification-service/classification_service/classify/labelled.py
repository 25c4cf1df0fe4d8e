"""Texts whose codes people have checked: each counts as one more text of its code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from classification_service.classify.text import text_key
from classification_service.encoder.backend import Vectors
from classification_service.encoder.int8_backend import quantise
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.taxonomies.models import Taxonomy

DECIDED_CONFIDENCE = 0.99
"""That of a code which a person chose for the same text: people err too."""

MAX_NEIGHBOURS = 5
_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class LabelVector:
    """A vector in whole numbers of one byte, and its scale."""

    scale: float
    vector: bytes


@dataclass(frozen=True, slots=True)
class Label:
    """A text with the position of its code; `vectors` has its vectors by the names of encoders, and takes those that it lacks."""

    text: str
    position: int
    vectors: dict[str, LabelVector]


class LabelledExamples:
    """Labels of one version that do not change; `texts` and `positions` of their codes are in one order."""

    def __init__(self, labels: Sequence[Label]) -> None:
        self._labels = sorted(labels, key=lambda label: label.position)
        self.texts = [label.text for label in self._labels]
        self.positions = np.array([label.position for label in self._labels], np.int64)
        self._codes, self._starts = np.unique(self.positions, return_index=True)
        self._decided = {text_key(label.text): label.position for label in self._labels}
        self._vectors: dict[str, PackedVectors] = {}

    def decided(self, text: str) -> int | None:
        """The position of the code that was chosen for this very text."""
        return self._decided.get(text_key(text))

    def load(self, encoder: TextEncoder) -> PackedVectors:
        """The vectors of the labels by an encoder; those that are not known yet are computed, once."""
        if (loaded := self._vectors.get(encoder.name)) is None:
            _complete(self._labels, encoder)
            own = [label.vectors[encoder.name] for label in self._labels]
            values = np.frombuffer(b"".join(one.vector for one in own), np.int8).reshape(-1, encoder.dimension)
            scales = np.array([one.scale for one in own], np.float32)
            loaded = self._vectors[encoder.name] = PackedVectors(values, scales)
        return loaded

    def nearness(self, vectors: Vectors, encoder: TextEncoder) -> Vectors:
        """[vector, label] the dot product of each of `vectors`, which are by `encoder`, with that of each label."""
        return self.load(encoder).nearness(vectors)

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


def _complete(labels: Sequence[Label], encoder: TextEncoder) -> None:
    missing = [label for label in labels if encoder.name not in label.vectors]
    if not missing:
        return
    values, scales = quantise(encoder.encode([label.text for label in missing]))
    for label, value, scale in zip(missing, values, scales, strict=True):
        label.vectors[encoder.name] = LabelVector(float(scale), value.tobytes())


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
