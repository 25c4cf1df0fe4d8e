"""Codes for texts, with confidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from classification_service.classify.index import FullVectors, Probabilities, TextVectors, TitleIndex, load_vectors
from classification_service.classify.labelled import LabelledExamples
from classification_service.classify.models import Candidate, Classification, Labelled, MlModel
from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.ensemble.errors import ModelFolderError
from classification_service.ensemble.model import Added, Ranked
from classification_service.ensemble.opening import OpenedModel
from classification_service.settings import Settings
from classification_service.taxonomies.models import Taxonomy
from classification_service.taxonomies.service import Taxonomies

_SORTED = 4096  # codes that are quicker sorted than searched
_PROBE = "ball bearing"

CLEAR_CONFIDENCE = 0.5
"""The answer is the deepest code that is more likely right than wrong."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What answers are made with: a trained model, or titles and examples alone. `version` names it."""

    version: str
    model: OpenedModel | None


class Classifier:
    """Classifies texts by a trained model where one is used, else by their nearness to a taxonomy's titles and examples."""

    def __init__(self, encoder: SentenceEncoder, taxonomies: Taxonomies) -> None:
        self.encoder = encoder
        self._indexes: WeakKeyDictionary[Taxonomy, TitleIndex] = WeakKeyDictionary()
        self._models: WeakKeyDictionary[Taxonomy, dict[str, OpenedModel]] = WeakKeyDictionary()
        self._added: WeakKeyDictionary[LabelledExamples, tuple[str, Added]] = WeakKeyDictionary()
        for taxonomy in taxonomies:
            self.add(taxonomy, FullVectors(load_vectors(taxonomy, encoder)))

    def add(self, taxonomy: Taxonomy, vectors: TextVectors) -> None:
        """Make texts classifiable against a taxonomy, for as long as somebody else holds it."""
        self._indexes[taxonomy] = TitleIndex(taxonomy, vectors)

    def titles(self, taxonomy: Taxonomy) -> TextVectors:
        """The vectors of a taxonomy's texts."""
        return self._indexes[taxonomy].vectors

    def use(self, taxonomy: Taxonomy, model: OpenedModel | None, tenant: str = "") -> None:
        """Answer a tenant by a model of this taxonomy from the next request on; None is titles and examples alone.

        Raises ModelFolderError where the model was trained with the vectors of another encoder.
        """
        models = self._models.setdefault(taxonomy, {})
        if model is None:
            models.pop(tenant, None)
            return
        if model.description.encoder != self.encoder.name:
            raise ModelFolderError(
                f"The model {model.id} was trained with the encoder {model.description.encoder}, and this service has "
                f"{self.encoder.name}. Train a model with this encoder."
            )
        models[tenant] = model

    def model_version(self, taxonomy: Taxonomy) -> str:
        """Names what an answer was made with: it changes when the same text may get another answer."""
        return self.chosen(taxonomy).version

    def chosen(self, taxonomy: Taxonomy, tenant: str | None = None) -> Chosen:
        """What a tenant's answers are made with now."""
        model = self._models.get(taxonomy, {}).get(tenant or "")
        return Chosen(self._version(taxonomy, model), model)

    def _version(self, taxonomy: Taxonomy, model: OpenedModel | None) -> str:
        name = self.encoder.name if model is None else model.id
        return f"{name}+{taxonomy.name}-{taxonomy.version}"

    def describe(self, taxonomies: Taxonomies) -> list[MlModel]:
        """Titles and examples of each taxonomy, with the model_version of answers by them alone."""
        return [
            MlModel(
                id=self._version(taxonomy, None),
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
        self,
        taxonomy: Taxonomy,
        texts: Sequence[str],
        top_k: int,
        examples: LabelledExamples | None = None,
        *,
        chosen: Chosen | None = None,
    ) -> list[Classification]:
        """One answer per text, in the order of `texts`, with up to `top_k` candidates each.

        `chosen` keeps all answers of a request to one model, which may be replaced while the request runs.
        """
        vectors = self.encoder.encode(texts)
        labelled = None if examples is None else examples.nearness(vectors)
        model = (chosen or self.chosen(taxonomy)).model
        if model is None:
            answers = self._by_titles(taxonomy, vectors, top_k, examples, labelled)
        else:
            added = None if examples is None else self._added_to(model, examples)
            ranked = model.model.rank(self.titles(taxonomy), texts, vectors, added, labelled)
            answers = [_answer_of(taxonomy, one, top_k) for one in ranked]
        if examples is None or labelled is None:
            return answers
        neighbours = [_labelled(taxonomy, examples.neighbours(row)) for row in labelled]
        return [replace(answer, neighbours=near) for answer, near in zip(answers, neighbours, strict=True)]

    def _by_titles(
        self,
        taxonomy: Taxonomy,
        vectors: Vectors,
        top_k: int,
        examples: LabelledExamples | None,
        labelled: Vectors | None,
    ) -> list[Classification]:
        index = self._indexes[taxonomy]
        if examples is None or labelled is None:
            own = index.own(vectors)
        else:
            own = index.own(vectors, lambda codes: examples.lift(codes, labelled))
        total = index.subtree(own)
        return [_answer(taxonomy, own[row], total[row], top_k) for row in range(len(vectors))]

    def _added_to(self, model: OpenedModel, examples: LabelledExamples) -> Added:
        """The labels as the model takes them, made once for all requests that have them."""
        found = self._added.get(examples)
        if found is None or found[0] != model.id:
            found = model.id, Added(model.model, examples.texts, examples.positions)
            self._added[examples] = found
        return found[1]


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
