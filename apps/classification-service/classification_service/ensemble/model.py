"""The trained model of a taxonomy as it answers."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from classification_service.encoder.encoders import Embedded
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.ensemble import tokens
from classification_service.ensemble.arrays import Array, Positions
from classification_service.ensemble.calibration import Calibration
from classification_service.ensemble.examples import LEFT_OUT, Examples
from classification_service.ensemble.features import Evidence, Given, evidence
from classification_service.ensemble.heads import CodeVectors, NgramHeads
from classification_service.ensemble.reranker import Reranker
from classification_service.ensemble.titles import Groups, Titles, TitleVectors
from classification_service.ensemble.tree import LevelSums, Tree
from classification_service.ensemble.words import WordIndex
from classification_service.taxonomies.models import NO_PARENT

_VERY_NEAR, _MOST_BY_LABEL = np.float32(0.85), np.float32(0.9)
"""From which cosine on a later label decides, and by which share where it is 1: the best of eleven measured pairs."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What is learned of labelled texts and titles: what says how likely each code is, `multilingual` has those of `english`.

    `adapter` [dimension, dimension] is what is added to a text's vector, of that vector, so that it comes nearer to titles.
    """

    ngrams: NgramHeads
    english: CodeVectors
    multilingual: CodeVectors
    adapter: Array

    def log_probabilities(
        self, sums: LevelSums, embedded: Embedded
    ) -> list[tuple[Sequence[Positions], Sequence[Array]]]:
        """See Given.heads; `sums` are those of the codes that have vectors."""
        ngrams = tokens.ngrams(embedded.texts)
        return [
            (self.ngrams.codes, self.ngrams.log_probabilities(ngrams)),
            (sums.codes, self.english.log_probabilities(sums, embedded.english, ngrams)),
            (sums.codes, self.multilingual.log_probabilities(sums, embedded.multilingual, ngrams)),
        ]


@dataclass(frozen=True, slots=True)
class Parts:
    """What is trained, and what is made of titles and examples once for all.

    `examples` are their vectors, `example_keys` digests of their texts, `example_positions` the positions of their codes;
    `means` those of the groups of titles. The calibrations are by level. All vectors but the multilingual ones are by the
    encoder for English.
    """

    learned: Learned
    reranker: Reranker
    means: Array
    title_words: WordIndex
    example_words: WordIndex
    examples: PackedVectors
    example_keys: Positions
    example_positions: Positions
    calibrations: Sequence[Calibration]


class Added:
    """Labels that came after the training: those of `texts` and `positions` that are not among the examples of the model.

    `places` are where they are among all, `superseded` [example] which examples have the texts of some, and count no more.
    """

    def __init__(self, model: "Model", texts: Sequence[str], positions: Positions) -> None:
        parts = model.parts
        keys = text_keys(texts)
        self.places = np.flatnonzero(
            ~np.isin(_pairs(keys, positions), _pairs(parts.example_keys, parts.example_positions))
        )
        self.positions = positions[self.places]
        self.words = WordIndex.build([texts[place] for place in self.places.tolist()], parts.example_words.rarity)
        self.superseded = np.isin(parts.example_keys, keys[self.places])
        self.examples = Examples(model.tree, np.concatenate([parts.example_positions, self.positions]))

    def raised(self, own: Array, candidates: Positions, nearness: Array) -> Array:
        """How likely candidates are, with what a very near label says of which the learned parts know nothing yet.

        `own` is as Reranker.probabilities gives it, `nearness` [text, label] are the cosines to these labels.
        """
        nearest = nearness.argmax(axis=1)
        cosines = np.take_along_axis(nearness, nearest[:, None], axis=1)
        shares = _MOST_BY_LABEL * np.clip((cosines - _VERY_NEAR) / (1 - _VERY_NEAR), 0, 1)
        raised: Array = own * (1 - shares) + shares * (candidates == self.positions[nearest][:, None])
        return raised


@dataclass(frozen=True, slots=True)
class Ranked:
    """The answer to a text: its candidates, the likeliest first, and how likely each is without what is below it.

    `totals` are by position how likely a code or one below it is, for all candidates and what is above them.
    """

    positions: Positions
    own: Array
    totals: Mapping[int, float]


class Model:
    """Ranks the codes of the taxonomy that it was trained for."""

    def __init__(self, tree: Tree, groups: Groups, parts: Parts) -> None:
        self.tree = tree
        self.parts = parts
        self._groups = groups

    @cached_property
    def _trained(self) -> Examples:
        return Examples(self.tree, self.parts.example_positions)

    @cached_property
    def _code_sums(self) -> LevelSums:
        return LevelSums(self.tree, self.parts.learned.english.head.positions)

    def rank(self, titles: TitleVectors, embedded: Embedded, later: tuple[Added, Array] | None = None) -> list[Ranked]:
        """The ranking of each text; `later` are labels, and the cosines [text, label] to their `places`."""
        found = self.evidence(titles, embedded, later)
        own = self.parts.reranker.probabilities(found)
        if later is not None:
            added, nearness = later
            own = added.raised(own, found.positions, nearness)
        return [self._ranked(*row) for row in zip(found.positions, own, strict=True)]

    def evidence(self, titles: TitleVectors, embedded: Embedded, later: tuple[Added, Array] | None = None) -> Evidence:
        """Candidates of each text and what speaks for them; `later` is as `rank` takes it."""
        parts, texts, vectors = self.parts, embedded.texts, embedded.english
        found = tokens.words(texts)
        cosines = parts.examples.nearness(vectors)
        overlap = parts.example_words.dense(found, len(texts))
        examples = self._trained
        if later is not None:
            added, nearness = later
            cosines[:, added.superseded] = LEFT_OUT
            cosines = np.concatenate([cosines, nearness], axis=1)
            overlap = np.concatenate([overlap, added.words.dense(found, len(texts))], axis=1)
            examples = added.examples
        heads = parts.learned.log_probabilities(self._code_sums, embedded)
        given = Given(vectors, adapted(vectors, parts.learned.adapter), found, heads, cosines, overlap)
        return evidence(self.tree, Titles(self._groups, parts.means, titles), parts.title_words, examples, given)

    def _ranked(self, positions: Positions, own: Array) -> Ranked:
        positions, own = positions[positions >= 0], own[positions >= 0]
        order = np.argsort(-own, kind="stable")
        positions, own = positions[order], own[order]
        totals: dict[int, float] = {}
        for depth, (codes, sums) in enumerate(sums_by_level(self.tree, positions, own)):
            for code, share in zip(codes.tolist(), self.parts.calibrations[depth](sums).tolist(), strict=True):
                totals[code] = min(share, totals.get(int(self.tree.parents[code]), 1.0))
        return Ranked(positions, self._own(positions, own, totals), totals)

    def _own(self, positions: Positions, own: Array, totals: Mapping[int, float]) -> Array:
        """The probabilities as they are worth: that of the likeliest by its level, the others have their part of the rest."""
        likeliest = int(positions[0])
        first = self.parts.calibrations[int(self.tree.depths[likeliest])](own[:1])
        first = np.minimum(first, np.float32(totals[likeliest]))
        rest = own[1:] * ((1 - first) / np.maximum(1 - own[0], np.float32(1e-6)))
        return np.concatenate([first, np.minimum(rest, first)])


def adapted(vectors: Array, adapter: Array) -> Array:
    """The vectors as they are compared with titles, of length 1."""
    found: Array = vectors + vectors @ adapter.T
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return found


def sums_by_level(tree: Tree, positions: Positions, own: Array) -> list[tuple[Positions, Array]]:
    """The codes at each level which are above candidates, or are some, with the sum of the probabilities, roots first."""
    found = []
    shares = own.tolist()
    for above in tree.above[:, positions].tolist():
        sums: dict[int, float] = {}  # numpy would take ten times as long for so few
        for code, share in zip(above, shares, strict=True):
            sums[code] = sums.get(code, 0.0) + share
        sums.pop(NO_PARENT, None)
        codes = np.fromiter(sums.keys(), np.int64, len(sums))
        found.append((codes, np.fromiter(sums.values(), np.float32, len(sums))))
    return found


def text_keys(texts: Sequence[str]) -> Positions:
    """A number for each text that texts have in common which differ in case and spaces alone."""
    digests = b"".join(
        hashlib.sha256(tokens.normalised(text).encode("utf-8", "replace")).digest()[:8] for text in texts
    )
    return np.frombuffer(digests, np.int64)


def _pairs(keys: Positions, positions: Positions) -> Positions:
    """A number for each text with its code."""
    return keys + positions * np.int64(0x9E3779B97F4A7C1)
