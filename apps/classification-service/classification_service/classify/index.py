"""The title index: nearness of texts to the titles and examples of a taxonomy's codes."""

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder.backend import Vectors
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.taxonomies.models import Taxonomy

TEMPERATURE = 0.05
"""How fast confidence falls with distance. Chosen by hand between two measured extremes, not fitted to a customer's
data: on short clean product names it is a little too modest, on software names and jargon too sure of itself."""

type Probabilities = NDArray[np.float32]
type Positions = NDArray[np.int64]


def index_texts(taxonomy: Taxonomy) -> list[str]:
    """The texts of a taxonomy's codes, in the order of the codes."""
    return [text for node in taxonomy.nodes for text in node.texts]


def compute_vectors(taxonomy: Taxonomy, encoder: SentenceEncoder) -> Vectors:
    """The vector of each of `index_texts`."""
    return encoder.encode(index_texts(taxonomy))


def load_vectors(taxonomy: Taxonomy, encoder: SentenceEncoder) -> Vectors:
    """The vectors that are shipped if they were made with this encoder, else newly computed ones."""
    if encoder.shipped:
        return np.asarray(np.load(taxonomy.vectors_file), np.float32)
    return compute_vectors(taxonomy, encoder)


class TitleIndex:
    """Probabilities of a taxonomy's codes for vectors of texts."""

    def __init__(self, taxonomy: Taxonomy, vectors: Vectors) -> None:
        counts = [len(node.texts) for node in taxonomy.nodes]
        self._vectors = vectors
        self._starts = np.cumsum([0, *counts[:-1]])
        self._levels = _levels_upwards(taxonomy)

    def own(self, vectors: Vectors) -> Probabilities:
        """[text, code] the probability that a text belongs to exactly this code, to none below it."""
        nearness = np.maximum.reduceat(vectors @ self._vectors.T, self._starts, axis=1)
        weights = np.exp((nearness - nearness.max(axis=1, keepdims=True)) / np.float32(TEMPERATURE))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

    def subtree(self, own: Probabilities) -> Probabilities:
        """[text, code] the probability that a text belongs to this code or to one below it."""
        total = own.T.copy()
        for children, parents in self._levels:
            np.add.at(total, parents, total[children])
        return total.T


def _levels_upwards(taxonomy: Taxonomy) -> list[tuple[Positions, Positions]]:
    """(children, their parents) per depth, deepest first."""
    depths: dict[int, list[int]] = {}
    for position in range(len(taxonomy.nodes)):
        depths.setdefault(len(taxonomy.path(position)), []).append(position)
    below_roots = sorted((depth for depth in depths if depth > 1), reverse=True)
    return [
        (np.array(depths[depth]), np.array([_parent(taxonomy, child) for child in depths[depth]]))
        for depth in below_roots
    ]


def _parent(taxonomy: Taxonomy, position: int) -> int:
    parent = taxonomy.parents[position]
    if parent is None:
        raise ValueError(f"{taxonomy.nodes[position].code} has no parent")
    return parent
