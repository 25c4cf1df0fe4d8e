"""Labelled examples that a text is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from classification_service.ensemble.arrays import Array, Positions, lookup
from classification_service.ensemble.tree import LevelSums, Tree

LEFT_OUT = np.float32(-1)
"""The cosine of an example that does not count for a text."""

_WIDTH = np.float32(0.07)
"""How fast the vote of an example falls with its distance."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """How near texts are to the examples of each code that has some: all are [text, code].

    `nearest` is the highest cosine, `votes` the share of the votes of all examples, `counts` the number of examples; of
    codes whose examples are all left out it is 0. `votes_above` [level][text, code of that level] are those of the codes above.
    """

    nearest: Array
    votes: Array
    counts: Array
    words: Array
    votes_above: Sequence[Array]


class Examples:
    """The codes of examples, by their positions in the tree: those of `positions` are the columns of cosines."""

    def __init__(self, tree: Tree, positions: Positions) -> None:
        self._order = np.argsort(positions, kind="stable")
        self.codes, self._starts, counts = np.unique(positions[self._order], return_index=True, return_counts=True)
        self._counts = counts.astype(np.float32)
        self._sums = LevelSums(tree, self.codes)

    def nearness(self, cosines: Array, words: Array) -> Nearness:
        """How near the texts are which have these cosines and this word overlap [text, example]."""
        cosines, words = cosines[:, self._order], words[:, self._order]
        weights = np.exp((cosines - np.maximum(cosines.max(axis=1, keepdims=True), 0)) / _WIDTH)
        counts = np.broadcast_to(self._counts, (len(cosines), len(self._counts)))
        left_out = cosines <= LEFT_OUT
        if left_out.any():
            weights[left_out] = 0
            words[left_out] = 0
            counts = np.add.reduceat(~left_out, self._starts, axis=1, dtype=np.float32)
        votes = np.add.reduceat(weights, self._starts, axis=1)
        votes /= np.maximum(votes.sum(axis=1, keepdims=True), np.float32(1e-9))
        return Nearness(
            np.maximum(np.maximum.reduceat(cosines, self._starts, axis=1), 0),
            votes,
            counts,
            np.maximum.reduceat(words, self._starts, axis=1),
            self._sums(votes),
        )

    def places(self, candidates: Positions) -> Positions:
        """Where in `codes` each of these positions is, -1 where it is not."""
        return lookup(self.codes, candidates)

    def places_above(self, depth: int, candidates: Positions) -> Positions:
        """Where in `votes_above[depth]` each of these positions of that level is, -1 where it is not."""
        return lookup(self._sums.codes[depth], candidates)
