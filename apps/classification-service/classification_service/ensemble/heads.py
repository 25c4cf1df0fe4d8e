"""Models over n-grams of texts and over their vectors, which say how likely each code of a level is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classification_service.ensemble.arrays import Array, Positions
from classification_service.ensemble.tokens import Tokens
from classification_service.ensemble.tree import LevelSums

BUCKETS = 1 << 16
"""Rows of the embedding table that n-grams are hashed into."""

FLOOR = -12.0
"""The log probability that a code has at least, and one that is not known."""

_LEAST = np.float32(np.exp(FLOOR))


@dataclass(frozen=True, slots=True)
class Head:
    """A linear layer [code, inputs] whose outputs stand for the codes of one level at `positions`, which are sorted."""

    weight: Array
    bias: Array
    positions: Positions

    def log_probabilities(self, hidden: Array) -> Array:
        """[text, code]."""
        if not len(self.positions):
            return np.zeros((len(hidden), 0), np.float32)
        logits = hidden @ self.weight.T + self.bias
        behind = logits - logits.max(axis=1, keepdims=True)
        found: Array = behind - np.log(np.exp(behind).sum(axis=1, keepdims=True))
        return found


@dataclass(frozen=True, slots=True)
class NgramHeads:
    """The mean of the embeddings [bucket, dimension] of a text's n-grams, and a head for each level."""

    embedding: Array
    heads: Sequence[Head]

    @property
    def codes(self) -> list[Positions]:
        """[level] the positions of the codes."""
        return [head.positions for head in self.heads]

    def log_probabilities(self, ngrams: Tokens) -> list[Array]:
        """[level][text, code] of texts with these n-grams."""
        hidden = means(self.embedding, ngrams)
        return [head.log_probabilities(hidden) for head in self.heads]


@dataclass(frozen=True, slots=True)
class CodeVectors:
    """A vector by an encoder for each code that has examples: it starts as that of the code's title, and is learned.

    `change` [dimension, dimension] and `projection` [dimension, ngram dimension] turn the vector of a text and the mean of the
    embeddings [bucket, ngram dimension] of its n-grams into one that is near to that of its code. `head` compares the two.
    Embeddings of two bytes a number make a model smaller, and its answers no worse.
    """

    change: Array
    embedding: NDArray[np.float16]
    projection: Array
    head: Head

    def probabilities(self, vectors: Array, ngrams: Tokens) -> Array:
        """[text, code of the head]."""
        moved = vectors + vectors @ self.change.T + means(self.embedding, ngrams) @ self.projection.T
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        return np.exp(self.head.log_probabilities(moved))

    def log_probabilities(self, sums: LevelSums, vectors: Array, ngrams: Tokens) -> list[Array]:
        """[level][text, code of `sums`], which adds up the codes of the head."""
        return [np.log(np.maximum(of, _LEAST)) for of in sums(self.probabilities(vectors, ngrams))]


def means(embedding: Array | NDArray[np.float16], ngrams: Tokens) -> Array:
    """[text, dimension] the mean of the embeddings [bucket, dimension] of each text's n-grams."""
    sums: Array = np.add.reduceat(embedding[ngrams.hashes % BUCKETS], ngrams.starts, axis=0, dtype=np.float32)
    sums /= np.diff(ngrams.starts, append=len(ngrams.hashes))[:, None].astype(np.float32)
    return sums
