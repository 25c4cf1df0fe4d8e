"""Codes for texts, with confidence."""

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from classification_service.classify.index import FullVectors, Probabilities, TextVectors, TitleIndex, load_vectors
from classification_service.classify.labelled import LabelledExamples
from classification_service.classify.models import Candidate, Classification, Labelled, MlModel
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.settings import Settings
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies

_SORTED = 4096  # codes that are quicker sorted than searched
_PROBE = "ball bearing"

CLEAR_CONFIDENCE = 0.5
"""The answer is the deepest code that is more likely right than wrong."""


class Classifier:
    """Classifies texts by the nearness of their meaning to a taxonomy's titles and examples."""

    def __init__(self, encoder: SentenceEncoder, taxonomies: Taxonomies) -> None:
        self.encoder = encoder
        self._indexes: WeakKeyDictionary[Taxonomy, TitleIndex] = WeakKeyDictionary()
        for taxonomy in taxonomies:
            self.add(taxonomy, FullVectors(load_vectors(taxonomy, encoder)))

    def add(self, taxonomy: Taxonomy, vectors: TextVectors) -> None:
        """Make texts classifiable against a taxonomy, for as long as somebody else holds it."""
        self._indexes[taxonomy] = TitleIndex(taxonomy, vectors)

    def model_version(self, taxonomy: Taxonomy) -> str:
        """Names what an answer was made with: it changes when the same text may get another answer."""
        return f"{self.encoder.name}+{taxonomy.name}-{taxonomy.version}"

    def describe(self, taxonomies: Taxonomies) -> list[MlModel]:
        """One model per taxonomy."""
        return [
            MlModel(
                id=self.model_version(taxonomy),
                taxonomy=taxonomy.name,
                taxonomy_version=taxonomy.version,
                encoder=self.encoder.name,
                dimension=self.encoder.dimension,
                device=self.encoder.backend.device,
                threads=self.encoder.threads,
            )
            for taxonomy in taxonomies
        ]

    def check(self) -> None:
        """Compute one vector, for a health check."""
        self.encoder.encode([_PROBE])

    def classify(
        self, taxonomy: Taxonomy, texts: Sequence[str], top_k: int, examples: LabelledExamples | None = None
    ) -> list[Classification]:
        """One answer per text, in the order of `texts`, with up to `top_k` candidates each."""
        index = self._indexes[taxonomy]
        vectors = self.encoder.encode(texts)
        if examples is None:
            own = index.own(vectors)
            neighbours: list[list[Labelled]] = [[] for _ in texts]
        else:
            labelled = examples.nearness(vectors)
            own = index.own(vectors, lambda codes: examples.lift(codes, labelled))
            neighbours = [_labelled(taxonomy, examples.neighbours(row)) for row in labelled]
        total = index.subtree(own)
        answers = [_answer(taxonomy, own[row], total[row], top_k) for row in range(len(texts))]
        return [replace(answer, neighbours=near) for answer, near in zip(answers, neighbours, strict=True)]


def open_classifier(settings: Settings, taxonomies: Taxonomies) -> Classifier:
    """The classifier, warm; raises ClassificationServiceError when encoder folder or device are not what they should be."""
    classifier = Classifier(
        SentenceEncoder(settings.encoder_dir, settings.encoder_threads, settings.device), taxonomies
    )
    classifier.check()
    return classifier


def _labelled(taxonomy: Taxonomy, neighbours: Sequence[tuple[str, int]]) -> list[Labelled]:
    return [Labelled(text, taxonomy.nodes[position]) for text, position in neighbours]


def _answer(taxonomy: Taxonomy, own: Probabilities, total: Probabilities, top_k: int) -> Classification:
    best = _deepest_clear(taxonomy, total)
    likely = _likeliest(own, top_k)
    candidates = [Candidate(taxonomy.nodes[position], _rounded(own[position])) for position in likely]
    return Classification(taxonomy.path(best), _rounded(total[best]), candidates)


def _deepest_clear(taxonomy: Taxonomy, total: Probabilities) -> int:
    """Down from the most likely root, as long as one of the codes below is clear."""
    best = max(taxonomy.roots, key=total.__getitem__)
    while below := taxonomy.children[best]:
        likeliest = max(below, key=total.__getitem__)
        if total[likeliest] < CLEAR_CONFIDENCE:
            break
        best = likeliest
    return best


def _likeliest(own: Probabilities, count: int) -> NDArray[np.int64]:
    """The positions of the highest probabilities, the highest first, of equal ones the first."""
    if len(own) > _SORTED:
        found = np.sort(np.argpartition(-own, count)[: count + 1])
        return found[np.argsort(-own[found], kind="stable")][:count]
    return np.argsort(-own, kind="stable")[:count]


def _rounded(probability: np.float32) -> float:
    return round(min(float(probability), 1.0), 4)
