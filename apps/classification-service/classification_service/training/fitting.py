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
from classification_service.ensemble.model import Parts, adapted
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


@dataclass(frozen=True, slots=True)
class Learned:
    """What is learned of labelled texts and titles, before candidates are weighed."""

    ngrams: NgramHeads
    vectors: VectorHeads
    adapter: Array


class Fitting:
    """One training; `progress` is called with the share of it that is done."""

    def __init__(
        self, tree: Tree, rows: Rows, titles: tuple[Sequence[str], TitleVectors], progress: Callable[[float], None]
    ) -> None:
        self._tree = tree
        self._rows = rows
        names, vectors = titles
        self._names, self._title_vectors = names, vectors
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
            learned = self._learned(np.flatnonzero(folds != fold))
            parts.append(self._evidence(weighed[folds[weighed] == fold], learned))
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
        learned = self._learned(np.arange(len(folds)))
        self._progress(1.0)
        return Parts(
            learned.ngrams,
            learned.vectors,
            learned.adapter,
            reranker,
            self._means,
            self._title_words,
            self._example_words,
            self._rows.vectors,
            self._rows.keys,
            self._rows.positions,
            calibrations,
        ), judged

    def _learned(self, rows: NDArray[np.int64]) -> Learned:
        """What is learned of these rows, and of the titles of their codes."""
        codes = np.unique(self._rows.positions[rows])
        names, titles = [self._names[code] for code in codes], self._title_vectors.take(self._tree.text_starts[codes])
        of_rows = self._tree.above[:, np.concatenate([self._rows.positions[rows], codes])]
        positions = [np.unique(found[found >= 0]) for found in of_rows]
        targets = [_targets(known, found) for known, found in zip(positions, of_rows, strict=True)]
        sizes = [len(known) for known in positions]
        texts = tokens.ngrams([*(self._rows.texts[row] for row in rows), *names])
        vectors = np.concatenate([self._rows.vectors[rows], titles])
        return Learned(
            network.ngram_heads(network.train_ngrams(texts, targets, sizes), positions),
            network.vector_heads(network.train_vectors(vectors, targets, sizes), positions),
            network.train_adapter(self._rows.vectors[rows], titles, lookup(codes, self._rows.positions[rows])),
        )

    def _evidence(self, rows: NDArray[np.int64], learned: Learned) -> Evidence:
        """What speaks for the candidates of these rows, where neither they nor equal texts count as examples."""
        parts = []
        for chunk in _chunks(rows):
            texts, vectors = [self._rows.texts[row] for row in chunk], self._rows.vectors[chunk]
            found = tokens.words(texts)
            cosines = vectors @ self._rows.vectors.T
            cosines[self._rows.keys[chunk][:, None] == self._rows.keys[None, :]] = LEFT_OUT
            given = Given(
                vectors,
                adapted(vectors, learned.adapter),
                found,
                [
                    (learned.ngrams.heads, learned.ngrams.log_probabilities(texts)),
                    (learned.vectors.heads, learned.vectors.log_probabilities(vectors)),
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


def _targets(known: Positions, codes: Positions) -> Positions:
    """Which output stands for each code, network.UNKNOWN for none."""
    places = lookup(known, codes)
    return np.where(places < 0, network.UNKNOWN, places)


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
