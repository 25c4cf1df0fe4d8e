"""Word overlap between texts and documents, by TF-IDF of hashed words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classification_service.ensemble.arrays import Array, Positions, lookup
from classification_service.ensemble.tokens import Tokens, words

BUCKETS = 1 << 18
_COMMON = 0.05
"""Words that more than this part of the documents have are not looked for: they say little, and take long."""

_FEW = 20  # documents that may have a word in any case
_LITTLE = 1e-6


@dataclass(frozen=True, slots=True)
class WordIndex:
    """For each bucket of words the documents that have it, from `starts[bucket]` on, with weights.

    The weights of a document have the length 1; `rarity` is the inverse document frequency of each bucket.
    """

    starts: NDArray[np.int32]
    documents: NDArray[np.int32]
    weights: Array
    rarity: Array
    count: int

    @classmethod
    def build(cls, texts: Sequence[str], rarity: Array | None = None) -> "WordIndex":
        """The index of documents, in their order; `rarity` is that of another index, by default that of these texts."""
        tokens = words(texts)
        documents = np.repeat(np.arange(len(texts)), np.diff(tokens.starts, append=len(tokens.hashes)))
        pairs = np.unique((tokens.hashes % BUCKETS).astype(np.int64) * len(texts) + documents)
        buckets, documents = pairs // max(len(texts), 1), pairs % max(len(texts), 1)
        frequency = np.bincount(buckets, minlength=BUCKETS)
        if rarity is None:
            rarity = np.log((1 + len(texts)) / (1 + frequency)).astype(np.float32) + np.float32(0.1)
            rarity[frequency > max(_COMMON * len(texts), _FEW)] = 0
        weights = rarity[buckets]
        lengths = np.sqrt(np.bincount(documents, weights**2, minlength=len(texts)))
        weights /= np.maximum(lengths, _LITTLE)[documents]
        kept = weights > 0
        starts = np.concatenate(([0], np.cumsum(np.bincount(buckets[kept], minlength=BUCKETS))))
        return cls(
            starts.astype(np.int32),
            documents[kept].astype(np.int32),
            weights[kept].astype(np.float32),
            rarity,
            len(texts),
        )

    def matches_of(self, tokens: Tokens, count: int) -> "Matches":
        """The documents that have words of these texts, as `tokens.words` has them."""
        return Matches([self.matches(tokens, number) for number in range(count)])

    def dense(self, tokens: Tokens, count: int) -> Array:
        """[text, document] the cosines of these texts and all documents."""
        found = np.zeros((count, self.count), np.float32)
        for row in range(count):
            documents, scores = self.matches(tokens, row)
            found[row, documents] = scores
        return found

    def matches(self, tokens: Tokens, number: int) -> tuple[Positions, Array]:
        """The documents, in order, that have words of one of these texts (as `tokens.words` has them), and the cosines."""
        buckets = np.unique(tokens.of(number) % BUCKETS).astype(np.int64)
        rarity = self.rarity[buckets]
        firsts = self.starts[buckets].astype(np.int64)
        counts = self.starts[buckets + 1] - firsts
        places = np.repeat(firsts - np.cumsum(counts) + counts, counts) + np.arange(int(counts.sum()))
        documents, where = np.unique(self.documents[places], return_inverse=True)
        parts = rarity / max(float(np.sqrt((rarity**2).sum())), _LITTLE)
        scores = np.bincount(where, self.weights[places] * np.repeat(parts, counts), minlength=len(documents))
        return documents.astype(np.int64), scores.astype(np.float32)


class Matches:
    """For each text the documents, in order, that have words of it, and the cosines."""

    def __init__(self, rows: Sequence[tuple[Positions, Array]]) -> None:
        self._rows = rows

    def best(self, count: int) -> Positions:
        """[text, `count`] the documents with most in common, -1 where there are fewer."""
        found = np.full((len(self._rows), count), -1, np.int64)
        for row, (documents, scores) in enumerate(self._rows):
            places = np.argsort(-scores, kind="stable")[:count]
            found[row, : len(places)] = documents[places]
        return found

    def of(self, candidates: Positions) -> Array:
        """[text, candidate] the cosine of a text and its candidate, which is the number of a document or -1."""
        found = np.zeros(candidates.shape, np.float32)
        for row, (documents, scores) in enumerate(self._rows):
            places = lookup(documents, candidates[row])
            found[row] = np.append(scores, np.float32(0))[places]
        return found
