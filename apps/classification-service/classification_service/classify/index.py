"""The title index: nearness of texts to the titles and examples of a taxonomy's codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.ensemble.titles import TitleVectors
from classification_service.taxonomies.models import NO_PARENT, Taxonomy
from classification_service.taxonomies.starters import vectors_file

TEMPERATURE = 0.05
"""How fast confidence falls with distance. Chosen by hand between two measured extremes, not fitted to a customer's
data: on short clean product names it is a little too modest, on software names and jargon too sure of itself."""

MULTILINGUAL_TEMPERATURE = 0.03
"""The same for vectors of the multilingual encoder, which lie closer together."""

type Probabilities = NDArray[np.float32]
type Positions = NDArray[np.int64]


def index_texts(taxonomy: Taxonomy) -> list[str]:
    """The texts of a taxonomy's codes, in the order of the codes."""
    return [text for node in taxonomy.nodes for text in node.texts]


def compute_vectors(taxonomy: Taxonomy, encoder: TextEncoder) -> Vectors:
    """The vector of each of `index_texts`."""
    return encoder.encode(index_texts(taxonomy))


def load_vectors(taxonomy: Taxonomy, encoder: SentenceEncoder) -> Vectors:
    """The vectors that are shipped if they were made with this encoder, else newly computed ones."""
    if encoder.shipped:
        return np.asarray(np.load(vectors_file(taxonomy.name)), np.float32)
    return compute_vectors(taxonomy, encoder)


def load_multilingual_vectors(taxonomy: Taxonomy) -> Vectors:
    """The vectors by the multilingual encoder that are shipped."""
    return np.asarray(np.load(vectors_file(taxonomy.name, multilingual=True)), np.float32)


class TitleIndex:
    """Probabilities of a taxonomy's codes for vectors of texts."""

    def __init__(self, taxonomy: Taxonomy, vectors: TitleVectors, temperature: float = TEMPERATURE) -> None:
        self.vectors = vectors
        self._temperature = np.float32(temperature)
        self._starts = taxonomy.text_starts
        self._levels = _levels_upwards(taxonomy.parents)

    def own(self, vectors: Vectors, lift: Callable[[Vectors], None] = lambda _: None) -> Probabilities:
        """[text, code] the probability that a text belongs to exactly this code, to none below it.

        `lift` may raise the nearness of codes [text, code] that more is known about than titles and examples.
        """
        nearness = self.vectors.nearness(vectors)
        if nearness.shape[1] > len(self._starts):
            nearness = np.maximum.reduceat(nearness, self._starts, axis=1)
        lift(nearness)
        nearness -= nearness.max(axis=1, keepdims=True)
        nearness /= self._temperature
        weights = np.exp(nearness, out=nearness)
        weights /= weights.sum(axis=1, keepdims=True)
        return weights

    def subtree(self, own: Probabilities) -> Probabilities:
        """[text, code] the probability that a text belongs to this code or to one below it."""
        total = own.T.copy()
        for level in self._levels:
            total[level.parents] += np.add.reduceat(total[level.children], level.starts, axis=0)
        return total.T


@dataclass(frozen=True, slots=True)
class _Level:
    """Codes of one depth in the order of their parents, and where those of each parent begin."""

    children: Positions
    parents: Positions
    starts: Positions


def _levels_upwards(parents: NDArray[np.int32]) -> list[_Level]:
    """The levels below the roots, the deepest first."""
    above = parents.astype(np.int64)
    depth = np.zeros(len(parents), np.int64)
    while (deeper := above != NO_PARENT).any():
        depth += deeper
        above[deeper] = parents[above[deeper]]
    return [_level(np.flatnonzero(depth == number), parents) for number in range(int(depth.max(initial=0)), 0, -1)]


def _level(codes: Positions, parents: NDArray[np.int32]) -> _Level:
    children = codes[np.argsort(parents[codes], kind="stable")]
    distinct, starts = np.unique(parents[children], return_index=True)
    return _Level(children, distinct.astype(np.int64), starts)
