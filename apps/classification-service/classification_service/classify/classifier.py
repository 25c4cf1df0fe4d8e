"""Codes for texts, with confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from classification_service.classify.index import (
    MULTILINGUAL_TEMPERATURE,
    TEMPERATURE,
    Probabilities,
    TitleIndex,
    load_multilingual_vectors,
    load_vectors,
)
from classification_service.classify.labelled import LabelledExamples
from classification_service.classify.models import Candidate, Classification, Labelled, MlModel
from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.encoders import Embedded, Encoders
from classification_service.encoder.languages import NAMES, is_english, primary
from classification_service.encoder.multilingual.encoder import MultilingualEncoder
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.ensemble.errors import ModelFolderError
from classification_service.ensemble.model import Added, Ranked
from classification_service.ensemble.opening import OpenedModel
from classification_service.ensemble.titles import FullVectors, TitleVectors
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


@dataclass(frozen=True, slots=True)
class Chosen:
    """What answers a request: a trained model, or None for titles and examples alone."""

    model: OpenedModel | None


class Classifier:
    """Classifies texts by a trained model where one is used, else by their nearness to a taxonomy's titles and examples.

    A trained model answers texts that are in English, by the vectors of both encoders.
    """

    def __init__(
        self, encoder: SentenceEncoder, taxonomies: Taxonomies, multilingual: MultilingualEncoder | None = None
    ) -> None:
        self.encoder = encoder
        self.encoders = Encoders(encoder, multilingual or MultilingualEncoder())
        self._indexes: WeakKeyDictionary[Taxonomy, dict[str, TitleIndex]] = WeakKeyDictionary()
        self._models: WeakKeyDictionary[Taxonomy, dict[str, OpenedModel]] = WeakKeyDictionary()
        self._added: WeakKeyDictionary[LabelledExamples, tuple[str, Added]] = WeakKeyDictionary()
        for taxonomy in taxonomies:
            self.add(taxonomy, FullVectors(load_vectors(taxonomy, encoder)), encoder.name)
            vectors = FullVectors(load_multilingual_vectors(taxonomy))
            self.add(taxonomy, vectors, self.encoders.multilingual.name)

    def add(self, taxonomy: Taxonomy, vectors: TitleVectors, encoder: str) -> None:
        """Make texts classifiable against a taxonomy by the vectors of an encoder, for as long as somebody holds the taxonomy."""
        temperature = TEMPERATURE if encoder == self.encoder.name else MULTILINGUAL_TEMPERATURE
        index = TitleIndex(taxonomy, vectors, temperature)
        self._indexes[taxonomy] = self._indexes.get(taxonomy, {}) | {encoder: index}

    def titles(self, taxonomy: Taxonomy) -> TitleVectors:
        """The vectors of a taxonomy's texts by the encoder for English."""
        return self._indexes[taxonomy][self.encoder.name].vectors

    def use(self, taxonomy: Taxonomy, model: OpenedModel | None, tenant: str = "") -> None:
        """Answer a tenant by a model of this taxonomy from the next request on; None is titles and examples alone.

        Raises ModelFolderError where the model was trained with the vectors of other encoders, EncoderFolderError where the
        multilingual one cannot be opened.
        """
        models = self._models.setdefault(taxonomy, {})
        if model is None:
            models.pop(tenant, None)
            return
        trained_with = list(model.description.encoders)
        if trained_with != [encoder.name for encoder in self.encoders.all()]:
            raise ModelFolderError(
                f"The model {model.id} was trained with the encoders {' and '.join(trained_with)}, and this service has "
                f"{self.encoder.name} and {self.encoders.multilingual.name}. Train a model with these."
            )
        self.encoders.multilingual.encode([_PROBE])  # it is opened now, not by the first request
        models[tenant] = model

    def chosen(self, taxonomy: Taxonomy, tenant: str | None = None) -> Chosen:
        """What a tenant's requests are answered by now."""
        return Chosen(self._models.get(taxonomy, {}).get(tenant or ""))

    def encoder_for(self, taxonomy: Taxonomy, language: str) -> TextEncoder:
        """The encoder for texts in a language, a BCP 47 tag: the other one while a taxonomy has no vectors by it.

        The encoder for English serves where text and titles are English.
        """
        indexes = self._indexes[taxonomy]
        wanted = self.encoders.of(language if is_english(taxonomy.language) else taxonomy.language)
        return next(one for one in (wanted, *self.encoders.all()) if one.name in indexes)

    def model_version(self, taxonomy: Taxonomy, language: str = "en", chosen: Chosen | None = None) -> str:
        """Names what an answer was made with: it changes when the same text may get another answer."""
        encoder = self.encoder_for(taxonomy, language)
        model = self._model(taxonomy, encoder, chosen)
        return _version(taxonomy, encoder.name if model is None else model.id)

    def _model(self, taxonomy: Taxonomy, encoder: TextEncoder, chosen: Chosen | None) -> OpenedModel | None:
        return (chosen or self.chosen(taxonomy)).model if encoder is self.encoder else None

    def warnings(self, taxonomy: Taxonomy, language: str) -> list[str]:
        """What is to be said of answers to texts in a language."""
        if self.encoder_for(taxonomy, language) is self.encoder:
            return [] if is_english(language) else [_NOT_YET.format(language)]
        return [] if primary(language) in NAMES else [_NOT_TRAINED.format(language)]

    def describe(self, taxonomies: Taxonomies) -> list[MlModel]:
        """Titles and examples of each taxonomy by each encoder that it has vectors by, with the model_version of answers by them alone."""
        return [
            MlModel(
                id=_version(taxonomy, encoder.name),
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
        *,
        chosen: Chosen | None = None,
        neighbours: bool = False,
    ) -> list[Classification]:
        """One answer per text, in the order of `texts`, with up to `top_k` candidates each.

        `languages` has a BCP 47 tag for each text; None means that all are English. `chosen` keeps all answers of a request
        to one model, which may be replaced while the request runs. `neighbours` says whether the answers have theirs.
        """
        call = _Call(taxonomy, top_k, examples, chosen or self.chosen(taxonomy), neighbours)
        encoders = [self.encoder_for(taxonomy, language) for language in languages or ["en"] * len(texts)]
        answers: dict[int, Classification] = {}
        for encoder in self.encoders.all():
            rows = [row for row, of_text in enumerate(encoders) if of_text is encoder]
            if rows:
                found = self._classify(call, [texts[row] for row in rows], encoder)
                answers |= zip(rows, found, strict=True)
        return [answers[row] for row in range(len(texts))]

    def _classify(self, call: "_Call", texts: Sequence[str], encoder: TextEncoder) -> list[Classification]:
        taxonomy, examples = call.taxonomy, call.examples
        index = self._indexes[taxonomy][encoder.name]
        vectors = encoder.encode(texts)
        model = self._model(taxonomy, encoder, call.chosen)
        near = None
        if examples is not None and (model is None or call.neighbours):
            near = _Near(examples, examples.nearness(vectors, encoder))
        if model is None:
            answers = _by_titles(taxonomy, index, vectors, near, call.top_k)
        else:
            later = None if examples is None else self._later(model, examples, vectors, near)
            embedded = Embedded(texts, vectors, self.encoders.multilingual.encode(texts))
            ranked = model.model.rank(index.vectors, embedded, later)
            answers = [_answer_of(taxonomy, one, call.top_k) for one in ranked]
        if near is None or not call.neighbours:
            return answers
        neighbours = [_labelled(taxonomy, near.examples.neighbours(row)) for row in near.cosines]
        return [replace(answer, neighbours=beside) for answer, beside in zip(answers, neighbours, strict=True)]

    def _later(
        self, model: OpenedModel, examples: LabelledExamples, vectors: Vectors, near: "_Near | None"
    ) -> tuple[Added, Vectors] | None:
        """The labels that the model has not learned, with the cosines to them: the others are among its own examples."""
        added = self._added_to(model, examples)
        if not len(added.places):
            return None
        if near is not None:
            return added, near.cosines[:, added.places]
        return added, examples.load(self.encoder).at(added.places).nearness(vectors)

    def _added_to(self, model: OpenedModel, examples: LabelledExamples) -> Added:
        """The labels as the model takes them, made once for all requests that have them."""
        found = self._added.get(examples)
        if found is None or found[0] != model.id:
            found = model.id, Added(model.model, examples.texts, examples.positions)
            self._added[examples] = found
        return found[1]


@dataclass(frozen=True, slots=True)
class _Call:
    """What the texts of a call of `classify` have in common."""

    taxonomy: Taxonomy
    top_k: int
    examples: LabelledExamples | None
    chosen: Chosen
    neighbours: bool


@dataclass(frozen=True, slots=True)
class _Near:
    """Labels, and how near texts are to each: `cosines` is [text, label]."""

    examples: LabelledExamples
    cosines: Vectors


def open_classifier(settings: Settings, taxonomies: Taxonomies) -> Classifier:
    """The classifier, warm; raises ClassificationServiceError when encoder folder or device are not what they should be."""
    classifier = Classifier(
        SentenceEncoder(settings.encoder_dir, settings.encoder_threads, settings.device), taxonomies
    )
    classifier.check()
    return classifier


def _labelled(taxonomy: Taxonomy, neighbours: Sequence[tuple[str, int]]) -> list[Labelled]:
    return [Labelled(text, taxonomy.nodes[position]) for text, position in neighbours]


def _version(taxonomy: Taxonomy, name: str) -> str:
    return f"{name}+{taxonomy.name}-{taxonomy.version}"


def _by_titles(
    taxonomy: Taxonomy, index: TitleIndex, vectors: Vectors, near: _Near | None, top_k: int
) -> list[Classification]:
    own = (
        index.own(vectors)
        if near is None
        else index.own(vectors, lambda codes: near.examples.lift(codes, near.cosines))
    )
    total = index.subtree(own)
    return [_answer(taxonomy, own[row], total[row], top_k) for row in range(len(vectors))]


def _answer(taxonomy: Taxonomy, own: Probabilities, total: Probabilities, top_k: int) -> Classification:
    best = _deepest_clear(taxonomy, total.__getitem__)
    likely = _likeliest(own, top_k)
    candidates = [Candidate(taxonomy.nodes[position], _rounded(own[position])) for position in likely]
    return Classification(taxonomy.path(best), _rounded(total[best]), candidates)


def _answer_of(taxonomy: Taxonomy, ranked: Ranked, top_k: int) -> Classification:
    def total(position: int) -> float:
        return ranked.totals.get(position, 0.0)

    best = _deepest_clear(taxonomy, total)
    likely = zip(ranked.positions[:top_k].tolist(), ranked.own, strict=False)
    candidates = [Candidate(taxonomy.nodes[position], _rounded(own)) for position, own in likely]
    return Classification(taxonomy.path(best), _rounded(total(best)), candidates)


def _deepest_clear(taxonomy: Taxonomy, total: Callable[[int], float]) -> int:
    """Down from the most likely root, as long as one of the codes below is clear."""
    best = max(taxonomy.roots, key=total)
    while below := taxonomy.children[best]:
        likeliest = max(below, key=total)
        if total(likeliest) < CLEAR_CONFIDENCE:
            break
        best = likeliest
    return best


def _likeliest(own: Probabilities, count: int) -> NDArray[np.int64]:
    """The positions of the highest probabilities, the highest first, of equal ones the first."""
    if len(own) > _SORTED:
        found = np.sort(np.argpartition(-own, count)[: count + 1])
        return found[np.argsort(-own[found], kind="stable")][:count]
    return np.argsort(-own, kind="stable")[:count]


def _rounded(probability: np.float32 | float) -> float:
    return round(min(float(probability), 1.0), 4)
