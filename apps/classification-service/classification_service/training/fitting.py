"""Trains the parts of a model so that each learns from what it has not seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classification_service.ensemble import tokens
from classification_service.ensemble.arrays import Array, Positions, lookup
from classification_service.ensemble.calibration import Calibration
from classification_service.ensemble.examples import LEFT_OUT, Examples
from classification_service.ensemble.features import Evidence, Given, evidence
from classification_service.ensemble.heads import NgramHeads, VectorHeads
from classification_service.ensemble.model import Parts
from classification_service.ensemble.titles import Groups, Titles, TitleVectors
from classification_service.ensemble.tree import Tree
from classification_service.ensemble.words import WordIndex
from classification_service.training import network
from classification_service.training.judging import Judged, judged

FOLDS = 3
_CHUNK = 256
_MOST_WEIGHED = 20_000
"""Rows that the re-ranker learns from: it has few weights, and each row takes 8 kB while it learns."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model learns from: texts with their vectors and the positions of their codes; equal texts have equal keys."""

    texts: Sequence[str]
    vectors: Array
    positions: Positions
    keys: Positions

    @property
    def folds(self) -> Positions:
        """[row] which part of the rows it is in: rows with equal texts are in one."""
        return (self.keys.view(np.uint64) % np.uint64(FOLDS)).astype(np.int64)


class Fitting:
    """One training; `progress` is called with the share of it that is done."""

    def __init__(
        self, tree: Tree, rows: Rows, titles: tuple[Sequence[str], TitleVectors], progress: Callable[[float], None]
    ) -> None:
        self._tree = tree
        self._rows = rows
        self._ngrams = tokens.ngrams(rows.texts)
        self._words = tokens.words(rows.texts)
        names, vectors = titles
        groups = Groups(tree)
        self._means = groups.means(vectors)
        self._titles = Titles(groups, self._means, vectors)
        self._title_words = WordIndex.build(names)
        self._example_words = WordIndex.build(rows.texts)
        self._examples = Examples(tree, rows.positions)
        self._progress = progress

    def fit(self) -> tuple[Parts, Judged]:
        """The parts, and how they answered rows that they had not seen."""
        folds = self._rows.folds
        weighed = _sample(len(folds))
        parts = []
        for fold in range(FOLDS):
            heads = self._heads(np.flatnonzero(folds != fold))
            parts.append(self._evidence(weighed[folds[weighed] == fold], heads))
            self._progress((fold + 1) / (FOLDS + 2))
        order = np.concatenate([weighed[folds[weighed] == fold] for fold in range(FOLDS)])
        found = _joined(parts)
        wanted = self._rows.positions[order]
        judged = self._judged(found, folds[order], wanted)
        reranker = network.train_reranker(found, wanted)
        calibrations = [
            Calibration.fit(confidence[there], (codes == right)[there])
            for codes, confidence, right in zip(judged.codes, judged.confidence, judged.wanted, strict=True)
            for there in [right >= 0]
        ]
        self._progress((FOLDS + 1) / (FOLDS + 2))
        ngrams, vectors = self._heads(np.arange(len(folds)))
        self._progress(1.0)
        return Parts(
            ngrams,
            vectors,
            reranker,
            self._means,
            self._title_words,
            self._example_words,
            self._rows.vectors,
            self._rows.keys,
            self._rows.positions,
            calibrations,
        ), judged

    def _heads(self, rows: NDArray[np.int64]) -> tuple[NgramHeads, VectorHeads]:
        """Both kinds of heads, trained on these rows."""
        of_rows = self._tree.above[:, self._rows.positions[rows]]
        positions = [np.unique(codes[codes >= 0]) for codes in of_rows]
        targets = []
        for known, codes in zip(positions, of_rows, strict=True):
            places = lookup(known, codes)
            targets.append(np.where(places < 0, network.UNKNOWN, places))
        sizes = [len(known) for known in positions]
        part = network.part_of(self._ngrams, rows)
        ngrams = network.ngram_heads(network.train_ngrams(part, targets, sizes), positions)
        vectors = network.vector_heads(network.train_vectors(self._rows.vectors[rows], targets, sizes), positions)
        return ngrams, vectors

    def _evidence(self, rows: NDArray[np.int64], heads: tuple[NgramHeads, VectorHeads]) -> Evidence:
        """What speaks for the candidates of these rows, where neither they nor equal texts count as examples."""
        parts = []
        for chunk in _chunks(rows):
            texts, vectors = [self._rows.texts[row] for row in chunk], self._rows.vectors[chunk]
            found = tokens.words(texts)
            cosines = vectors @ self._rows.vectors.T
            cosines[self._rows.keys[chunk][:, None] == self._rows.keys[None, :]] = LEFT_OUT
            ngrams, by_vectors = heads
            given = Given(
                vectors,
                found,
                [
                    (ngrams.heads, ngrams.log_probabilities(texts)),
                    (by_vectors.heads, by_vectors.log_probabilities(vectors)),
                ],
                cosines,
                self._example_words.dense(found, len(texts)),
            )
            parts.append(evidence(self._tree, self._titles, self._title_words, self._examples, given))
        return _joined(parts)

    def _judged(self, found: Evidence, folds: Positions, wanted: Positions) -> Judged:
        """The answers to all rows, each by a re-ranker that was trained on the other folds."""
        own = np.zeros(found.positions.shape, np.float32)
        for fold in range(FOLDS):
            here = folds == fold
            if here.any() and not here.all():
                reranker = network.train_reranker(_part(found, ~here), wanted[~here])
                own[here] = reranker.probabilities(_part(found, here))
        return judged(self._tree, found.positions, own, wanted)


def _sample(rows: int) -> NDArray[np.int64]:
    """Up to _MOST_WEIGHED of the rows, evenly."""
    if rows <= _MOST_WEIGHED:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, _MOST_WEIGHED).astype(np.int64))


def _chunks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


def _joined(parts: Sequence[Evidence]) -> Evidence:
    """The parts one below the other; those with fewer candidates are filled up."""
    width = max(part.positions.shape[1] for part in parts)

    def filled(array: NDArray[np.generic], value: float) -> NDArray[np.generic]:
        missing = [(0, 0), (0, width - array.shape[1]), *[(0, 0)] * (array.ndim - 2)]
        return np.pad(array, missing, constant_values=value)

    return Evidence(
        np.concatenate([filled(part.positions, -1) for part in parts]).astype(np.int64),
        np.concatenate([filled(part.values, 0) for part in parts]).astype(np.float32),
        np.concatenate([part.whole for part in parts]),
    )


def _part(found: Evidence, rows: NDArray[np.bool_]) -> Evidence:
    return Evidence(found.positions[rows], found.values[rows], found.whole[rows])
