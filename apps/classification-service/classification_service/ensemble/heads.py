"""Linear models over n-grams of texts and over their vectors, which say how likely each code of a level is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classification_service.ensemble.arrays import Array, Positions, lookup
from classification_service.ensemble.tokens import ngrams

BUCKETS = 1 << 16
"""Rows of the embedding table that n-grams are hashed into."""


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

    def places(self, candidates: Positions) -> Positions:
        """Which output stands for each of these positions, -1 for none."""
        return lookup(self.positions, candidates)


@dataclass(frozen=True, slots=True)
class NgramHeads:
    """The mean of the embeddings [bucket, dimension] of a text's n-grams, and a head for each level."""

    embedding: Array
    heads: Sequence[Head]

    def hidden(self, texts: Sequence[str]) -> Array:
        """[text, dimension]."""
        tokens = ngrams(texts)
        sums: Array = np.add.reduceat(self.embedding[tokens.hashes % BUCKETS], tokens.starts, axis=0)
        sums /= np.diff(tokens.starts, append=len(tokens.hashes))[:, None].astype(np.float32)
        return sums

    def log_probabilities(self, texts: Sequence[str]) -> list[Array]:
        """[level][text, code]."""
        hidden = self.hidden(texts)
        return [head.log_probabilities(hidden) for head in self.heads]


@dataclass(frozen=True, slots=True)
class VectorHeads:
    """A hidden layer over the vectors of texts, and a head for each level."""

    weight: Array
    bias: Array
    heads: Sequence[Head]

    def log_probabilities(self, vectors: Array) -> list[Array]:
        """[level][text, code]."""
        hidden = np.maximum(vectors @ self.weight.T + self.bias, 0)
        return [head.log_probabilities(hidden) for head in self.heads]
