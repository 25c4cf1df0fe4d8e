"""Codes for texts, with confidence."""

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from classification_service.classify.index import (
    MULTILINGUAL_TEMPERATURE,
    TEMPERATURE,
    FullVectors,
    Probabilities,
    TextVectors,
    TitleIndex,
    load_multilingual_vectors,
    load_vectors,
)
from classification_service.classify.labelled import LabelledExamples
from classification_service.classify.models import Candidate, Classification, Labelled, MlModel
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.encoders import Encoders
from classification_service.encoder.languages import NAMES, is_english, primary
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.settings import Settings
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies

_SORTED = 4096  # codes that are quicker sorted than searched
_PROBE = "ball bearing"

_NOT_YET = (
    "The vectors for texts in other languages than English are not computed yet; "
    "the text in {!r} was classified by the model for English."
)
_NOT_TRAINED = "The model was not trained on {!r}; the text was classified as it stands."

CLEAR_CONFIDENCE = 0.5
"""The answer is the deepest code that is more likely right than wrong."""


class Classifier:
    """Classifies texts by the nearness of their meaning to a taxonomy's titles and examples."""

    def __init__(
        self, encoder: SentenceEncoder, taxonomies: Taxonomies, multilingual: MultilingualEncoder | None = None
    ) -> None:
        self.encoder = encoder
        self.encoders = Encoders(encoder, multilingual or MultilingualEncoder())
        self._indexes: WeakKeyDictionary[Taxonomy, dict[str, TitleIndex]] = WeakKeyDictionary()
        for taxonomy in taxonomies:
            self.add(taxonomy, FullVectors(load_vectors(taxonomy, encoder)), encoder.name)
            vectors = FullVectors(load_multilingual_vectors(taxonomy))
            self.add(taxonomy, vectors, self.encoders.multilingual.name)

    def add(self, taxonomy: Taxonomy, vectors: TextVectors, encoder: str) -> None:
        """Make texts classifiable against a taxonomy by the vectors of an encoder, for as long as somebody holds the taxonomy."""
        temperature = TEMPERATURE if encoder == self.encoder.name else MULTILINGUAL_TEMPERATURE
        index = TitleIndex(taxonomy, vectors, temperature)
        self._indexes[taxonomy] = self._indexes.get(taxonomy, {}) | {encoder: index}

    def encoder_for(self, taxonomy: Taxonomy, language: str) -> TextEncoder:
        """The encoder for texts in a language, a BCP 47 tag: the other one while a taxonomy has no vectors by it.

        The encoder for English serves where text and titles are English.
        """
        indexes = self._indexes[taxonomy]
        wanted = self.encoders.of(language if is_english(taxonomy.language) else taxonomy.language)
        return next(one for one in (wanted, *self.encoders.all()) if one.name in indexes)

    def model_version(self, taxonomy: Taxonomy, language: str = "en") -> str:
        """Names what an answer was made with: it changes when the same text may get another answer."""
        return self._version(taxonomy, self.encoder_for(taxonomy, language))

    @staticmethod
    def _version(taxonomy: Taxonomy, encoder: TextEncoder) -> str:
        return f"{encoder.name}+{taxonomy.name}-{taxonomy.version}"

    def warnings(self, taxonomy: Taxonomy, language: str) -> list[str]:
        """What is to be said of answers to texts in a language."""
        if self.encoder_for(taxonomy, language) is self.encoder:
            return [] if is_english(language) else [_NOT_YET.format(language)]
        return [] if primary(language) in NAMES else [_NOT_TRAINED.format(language)]

    def describe(self, taxonomies: Taxonomies) -> list[MlModel]:
        """A model for each taxonomy and each encoder by which it has vectors."""
        return [
            MlModel(
                id=self._version(taxonomy, encoder),
                taxonomy=taxonomy.name,
                taxonomy_version=taxonomy.version,
                encoder=encoder.name,
                dimension=encoder.dimension,
                device=encoder.device,
                threads=encoder.threads,
                languages=self._languages(taxonomy, encoder),
            )
            for taxonomy in taxonomies
            for encoder in self.encoders.all()
            if encoder.name in self._indexes[taxonomy]
        ]

    def _languages(self, taxonomy: Taxonomy, encoder: TextEncoder) -> list[str]:
        return (
            ["en"]
            if encoder is self.encoder
            else [language for language in NAMES if self.encoder_for(taxonomy, language) is encoder]
        )

    def check(self) -> None:
        """Compute one vector, for a health check."""
        self.encoder.encode([_PROBE])

    def classify(
        self,
        taxonomy: Taxonomy,
        texts: Sequence[str],
        top_k: int,
        examples: LabelledExamples | None = None,
        languages: Sequence[str] | None = None,
    ) -> list[Classification]:
        """One answer per text, in the order of `texts`, with up to `top_k` candidates each.

        `languages` has a BCP 47 tag for each text; None means that all are English.
        """
        chosen = [self.encoder_for(taxonomy, language) for language in languages or ["en"] * len(texts)]
        answers: dict[int, Classification] = {}
        for encoder in self.encoders.all():
            rows = [row for row, of_text in enumerate(chosen) if of_text is encoder]
            if rows:
                found = self._classify(taxonomy, [texts[row] for row in rows], top_k, examples, encoder)
                answers |= zip(rows, found, strict=True)
        return [answers[row] for row in range(len(texts))]

    def _classify(
        self,
        taxonomy: Taxonomy,
        texts: Sequence[str],
        top_k: int,
        examples: LabelledExamples | None,
        encoder: TextEncoder,
    ) -> list[Classification]:
        index = self._indexes[taxonomy][encoder.name]
        vectors = encoder.encode(texts)
        if examples is None:
            own = index.own(vectors)
            neighbours: list[list[Labelled]] = [[] for _ in texts]
        else:
            labelled = examples.nearness(vectors, encoder)
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
