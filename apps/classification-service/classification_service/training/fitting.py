"""Trains the parts of a model so that each learns from what it has not seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classification_service.encoder.encoders import Embedded
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.ensemble import tokens
from classification_service.ensemble.arrays import Array, Positions, lookup
from classification_service.ensemble.calibration import Calibration
from classification_service.ensemble.examples import LEFT_OUT, Examples
from classification_service.ensemble.features import CANDIDATES, Evidence, Given, evidence, feature_counts
from classification_service.ensemble.heads import CodeVectors
from classification_service.ensemble.model import Learned, Parts, adapted
from classification_service.ensemble.reranker import Reranker
from classification_service.ensemble.titles import Groups, Titles, TitleVectors
from classification_service.ensemble.tree import LevelSums, Tree
from classification_service.ensemble.words import WordIndex
from classification_service.training import network
from classification_service.training.judging import Judged, judged

FOLDS = 3
_CHUNK, _CHUNK_CELLS = 256, 4_000_000
"""Texts, and pairs of a text and an example, that are compared at a time: a pair takes some 40 bytes."""

_MOST_WEIGHED = 20_000
"""Rows that the re-ranker learns from: it has few weights, and each row takes 8 kB while it learns."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model learns from: texts with their vectors and the positions of their codes; equal texts have equal keys."""

    embedded: Embedded
    positions: Positions
    keys: Positions

    @property
    def codes(self) -> Positions:
        """The positions of the codes that there are, in order."""
        return np.unique(self.positions)

    @property
    def folds(self) -> Positions:
        """[row] which part of the rows it is in: rows with equal texts are in one."""
        return (self.keys.view(np.uint64) % np.uint64(FOLDS)).astype(np.int64)


@dataclass(frozen=True, slots=True)
class OfTitles:
    """The texts of each code; their vectors by the encoder for English; the titles of `Rows.codes` by the other one."""

    texts: Sequence[str]
    vectors: TitleVectors
    multilingual: Array


class Fitting:
    """One training; `progress` is called with the share of it that is done."""

    def __init__(self, tree: Tree, rows: Rows, of_titles: OfTitles, progress: Callable[[float], None]) -> None:
        self._tree = tree
        self._rows = rows
        self._of_titles = of_titles
        groups = Groups(tree)
        self._means = groups.means(of_titles.vectors)
        self._titles = Titles(groups, self._means, of_titles.vectors)
        self._title_words = WordIndex.build(of_titles.texts)
        self._example_words = WordIndex.build(rows.embedded.texts)
        self._examples = Examples(tree, rows.positions)
        self._progress = progress

    def fit(self) -> tuple[Parts, Judged]:
        """The parts, and how they answered rows that they had not seen."""
        reranker, judged = self._weigh()
        calibrations = [
            Calibration.fit(confidence[there], (codes == right)[there])
            for codes, confidence, right in zip(judged.codes, judged.confidence, judged.wanted, strict=True)
            for there in [right >= 0]
        ]
        self._progress((FOLDS + 1) / (FOLDS + 2))
        learned = self._learned(np.arange(len(self._rows.keys)))
        self._progress(1.0)
        return Parts(
            learned,
            reranker,
            self._means,
            self._title_words,
            self._example_words,
            PackedVectors.of(self._rows.embedded.english),
            self._rows.keys,
            self._rows.positions,
            calibrations,
        ), judged

    def _weigh(self) -> tuple[Reranker, Judged]:
        """What weighs the evidence, and how it answers rows that neither it nor the other parts have seen."""
        folds = self._rows.folds
        weighed = _sample(len(folds))
        order = np.concatenate([weighed[folds[weighed] == fold] for fold in range(FOLDS)])
        found, place = _no_evidence(len(order), len(self._tree.levels)), 0
        for fold in range(FOLDS):
            learned = self._learned(np.flatnonzero(folds != fold))
            for part in self._evidence(weighed[folds[weighed] == fold], learned):
                _fill(found, place, part)
                place += len(part.positions)
            self._progress((fold + 1) / (FOLDS + 2))
        wanted = self._rows.positions[order]
        judged = self._judged(found, folds[order], wanted)
        return network.train_reranker(found, wanted), judged

    def _learned(self, rows: NDArray[np.int64]) -> Learned:
        """What is learned of these rows, and of the titles of their codes."""
        codes, of = np.unique(self._rows.positions[rows]), self._of_titles
        names, titles = [of.texts[code] for code in codes], of.vectors.take(self._tree.text_starts[codes])
        of_rows = self._tree.above[:, np.concatenate([self._rows.positions[rows], codes])]
        positions = [np.unique(found[found >= 0]) for found in of_rows]
        targets = [_targets(known, found) for known, found in zip(positions, of_rows, strict=True)]
        sizes = [len(known) for known in positions]
        embedded = _rows_of(self._rows.embedded, rows)
        ngrams = tokens.ngrams([*embedded.texts, *names])
        wanted = lookup(codes, self._rows.positions[rows])
        own = np.concatenate([wanted, np.arange(len(codes))])

        def code_vectors(vectors: Array, of_codes: Array) -> CodeVectors:
            texts = network.Texts(np.concatenate([vectors, of_codes]), ngrams, own)
            return network.code_vectors(network.train_code_vectors(texts, of_codes, self._tree.above[:, codes]), codes)

        return Learned(
            network.ngram_heads(network.train_ngrams(ngrams, targets, sizes), positions),
            code_vectors(embedded.english, titles),
            code_vectors(embedded.multilingual, of.multilingual[lookup(self._rows.codes, codes)]),
            network.train_adapter(embedded.english, titles, wanted),
        )

    def _evidence(self, rows: NDArray[np.int64], learned: Learned) -> Iterator[Evidence]:
        """What speaks for the candidates of these rows, where neither they nor equal texts count as examples."""
        sums = LevelSums(self._tree, learned.english.head.positions)
        for chunk in _chunks(rows, max(min(_CHUNK, _CHUNK_CELLS // len(self._rows.keys)), 1)):
            embedded = _rows_of(self._rows.embedded, chunk)
            found = tokens.words(embedded.texts)
            cosines = embedded.english @ self._rows.embedded.english.T
            cosines[self._rows.keys[chunk][:, None] == self._rows.keys[None, :]] = LEFT_OUT
            given = Given(
                embedded.english,
                adapted(embedded.english, learned.adapter),
                found,
                learned.log_probabilities(sums, embedded),
                cosines,
                self._example_words.dense(found, len(chunk)),
            )
            yield evidence(self._tree, self._titles, self._title_words, self._examples, given)

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


def _rows_of(embedded: Embedded, rows: NDArray[np.int64]) -> Embedded:
    return Embedded([embedded.texts[row] for row in rows], embedded.english[rows], embedded.multilingual[rows])


def _sample(rows: int) -> NDArray[np.int64]:
    """Up to _MOST_WEIGHED of the rows, evenly."""
    if rows <= _MOST_WEIGHED:
        return np.arange(rows)
    return np.unique(np.linspace(0, rows - 1, _MOST_WEIGHED).astype(np.int64))


def _chunks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def _no_evidence(rows: int, levels: int) -> Evidence:
    """Room for so many rows."""
    features, whole = feature_counts(levels)
    return Evidence(
        np.full((rows, CANDIDATES), -1, np.int64),
        np.zeros((rows, CANDIDATES, features), np.float32),
        np.zeros((rows, whole), np.float32),
    )


def _fill(found: Evidence, place: int, part: Evidence) -> None:
    """Write what was found of some rows, from the row at `place` on."""
    rows, width = part.positions.shape
    found.positions[place : place + rows, :width] = part.positions
    found.values[place : place + rows, :width] = part.values
    found.whole[place : place + rows] = part.whole


def _part(found: Evidence, rows: NDArray[np.bool_]) -> Evidence:
    return Evidence(found.positions[rows], found.values[rows], found.whole[rows])
