"""Which codes a text may belong to, and what speaks for each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from classification_service.ensemble.arrays import Array, Positions, best, lookup, merged, taken
from classification_service.ensemble.examples import Examples, Nearness
from classification_service.ensemble.heads import FLOOR
from classification_service.ensemble.titles import Titles
from classification_service.ensemble.tokens import Tokens
from classification_service.ensemble.tree import Tree
from classification_service.ensemble.words import WordIndex

CANDIDATES = 64
"""Codes of a text that are weighed."""

_BY_EXAMPLE, _BY_TITLE, _BY_HEAD, _BY_WORDS = 24, 24, 10, 8
_LITTLE = np.float32(1e-4)
_BESIDE_BEST, _OF_EXAMPLES, _OF_LEVEL, _KINDS = 5, 6, 6, 3  # numbers of features


type _OfLevel = Callable[[Positions], list[Array]]


@dataclass(frozen=True, slots=True)
class Given:
    """What was computed of texts: vectors, words, log probabilities of the heads, cosines and word overlap with examples.

    `adapted` are the vectors as they are compared with titles.

    `heads` are of each kind of head (the positions of the codes [level], their log probabilities [level][text, code]).
    """

    vectors: Array
    adapted: Array
    tokens: Tokens
    heads: Sequence[tuple[Sequence[Positions], Sequence[Array]]]
    cosines: Array
    words: Array


@dataclass(frozen=True, slots=True)
class Evidence:
    """Candidates of texts.

    `positions` [text, candidate] are -1 for none, `values` [text, candidate, feature] speak for each; `whole` [text, feature]
    tells how likely it is that the right code is not among them.
    """

    positions: Positions
    values: Array
    whole: Array


def evidence(tree: Tree, titles: Titles, title_words: WordIndex, examples: Examples, given: Given) -> Evidence:
    """Candidates by examples, titles, heads and words, and what speaks for each."""
    nearness = examples.nearness(given.cosines, given.words)
    matches = title_words.matches_of(given.tokens, len(given.vectors))
    groups = [
        examples.codes[best(nearness.nearest, _BY_EXAMPLE)],
        titles.near(given.adapted, _BY_TITLE),
        *(codes[-1][best(found[-1], _BY_HEAD)] for codes, found in given.heads if len(codes[-1])),
        matches.best(_BY_WORDS),
        examples.codes[best(nearness.words, _BY_WORDS)],
    ]
    positions = merged(groups, CANDIDATES)
    title, nearer = titles.cosines(given.vectors, positions), titles.cosines(given.adapted, positions)
    overlap, own = matches.of(positions), _by_examples(examples, nearness, positions)
    behind = (title, nearer, overlap, own[0], own[1])
    values = [*behind, *(value - value.max(axis=1, keepdims=True) for value in behind), *own[2:]]
    for depth in range(len(tree.levels)):
        values += _of_level(tree, titles, (examples, nearness), given, depth)(positions)
    stacked = np.stack(values, axis=2)
    stacked[positions < 0] = 0
    heads = [found.max(axis=1, initial=FLOOR) for _, levels in given.heads for found in levels]
    whole = [*(value.max(axis=1) for value in (title, nearer, overlap, *own)), *heads]
    return Evidence(positions, stacked, np.stack(whole, axis=1).astype(np.float32))


def feature_counts(levels: int) -> tuple[int, int]:
    """The number of features of a candidate and of a text, in a taxonomy with so many levels."""
    return 2 * _BESIDE_BEST + _OF_EXAMPLES - 2 + _OF_LEVEL * levels - 1, 3 + _OF_EXAMPLES + _KINDS * levels


def _by_examples(examples: Examples, nearness: Nearness, positions: Positions) -> list[Array]:
    """What the examples of a candidate itself say: 0 where it has none."""
    places = examples.places(positions)
    near, words, votes, counts = (
        taken(value, places, 0) for value in (nearness.nearest, nearness.words, nearness.votes, nearness.counts)
    )
    return [near, words, votes, np.log(votes + _LITTLE), np.log1p(counts), (counts > 0).astype(np.float32)]


def _of_level(tree: Tree, titles: Titles, examples: tuple[Examples, Nearness], given: Given, depth: int) -> _OfLevel:
    """What speaks for the code of that level which is above a candidate, and whether it is the candidate itself."""
    index, nearness = examples

    def values(positions: Positions) -> list[Array]:
        above = np.where(positions >= 0, tree.above[depth][positions], -1)
        votes = taken(nearness.votes_above[depth], index.places_above(depth, above), 0)
        found = [np.log(votes + _LITTLE), (tree.depths[positions] == depth).astype(np.float32)]
        found += [taken(of[depth], lookup(codes[depth], above), FLOOR) for codes, of in given.heads]
        if depth + 1 < len(tree.levels):
            found.append(titles.cosines(given.vectors, above))
        return found

    return values
