"""Words and character n-grams of texts as hashes, for whole batches at a time."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_CHARACTERS = 512
"""Characters of a text that are read: names are shorter, and what follows in a description says little more."""

_LENGTHS = (3, 4, 5)
_STEM = 5
_SPACE, _END = ord(" "), ord("\n")
_FACTOR = 0x01000193
_MIX = 0x2C1B3C6D
_LEFT, _RIGHT = 0x9E3779B1, 0x85EBCA77
_WORD, _PAIR, _PREFIX, _TEXT = 11, 12, 13, 14  # different kinds of tokens have different hashes

type Hashes = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Hashes of the tokens of several texts, those of each text together: of text `i` from `starts[i]` on."""

    hashes: Hashes
    starts: NDArray[np.int64]

    def of(self, number: int) -> Hashes:
        """The hashes of one text."""
        end = self.starts[number + 1] if number + 1 < len(self.starts) else len(self.hashes)
        return self.hashes[self.starts[number] : end]


def normalised(text: str) -> str:
    """The beginning of a text in lower case, in compatibility form (Unicode NFKC), with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).lower().split())[:MAX_CHARACTERS]


class _Batch:
    """Texts one behind the other, each as ` word word ` and a line end."""

    def __init__(self, texts: Sequence[str]) -> None:
        joined = "".join(f" {normalised(text)} \n" for text in texts)
        self.characters = np.frombuffer(joined.encode("utf-32-le", "replace"), np.uint32)
        ends = np.flatnonzero(self.characters == _END)
        self.texts = np.repeat(np.arange(len(texts)), np.diff(ends, prepend=-1))
        gap = (self.characters == _SPACE) | (self.characters == _END)
        self.gap = gap
        self.word_starts = np.flatnonzero(~gap & np.concatenate(([True], gap[:-1])))
        self.word_ends = np.flatnonzero(gap & ~np.concatenate(([True], gap[:-1])))

    def words(self, longest: int | None = None) -> Hashes:
        """A hash for each word, or for its beginning; words that differ by a plural s alone have the same."""
        lengths = self.word_ends - self.word_starts
        if longest is not None:
            lengths = np.minimum(lengths, longest)
        else:
            plural = (self.characters[self.word_ends - 1] == ord("s")) & (lengths > 3)  # noqa: PLR2004
            lengths = lengths - plural
        if not len(lengths):
            return np.zeros(0, np.uint32)
        starts = np.cumsum(lengths) - lengths
        within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
        places = np.repeat(self.word_starts, lengths) + within
        return np.add.reduceat(self.characters[places] * _powers(MAX_CHARACTERS)[within], starts, dtype=np.uint32)

    def ngrams(self, length: int) -> tuple[Hashes, NDArray[np.int64]]:
        """The n-grams of words with a space before and behind, and where they begin."""
        count = len(self.characters) - length + 1
        if count <= 0:
            return np.zeros(0, np.uint32), np.zeros(0, np.int64)
        whole = np.ones(count, np.bool_)
        for place in range(1, length - 1):
            whole &= ~self.gap[place : place + count]
        starts = np.flatnonzero(whole & (self.characters[:count] != _END) & (self.characters[length - 1 :] != _END))
        found = np.zeros(len(starts), np.uint32)
        for place in range(length):
            found = found * np.uint32(_FACTOR) + self.characters[starts + place]
        return found, starts


def _powers(count: int) -> Hashes:
    return np.cumprod(np.full(count, _FACTOR, np.uint32), dtype=np.uint32)


def _mixed(hashes: Hashes, kind: int) -> Hashes:
    """The hashes with all bits depending on all, and on the kind."""
    found = hashes * np.uint32(_LEFT) + np.uint32(kind * _RIGHT & 0xFFFFFFFF)
    found ^= found >> np.uint32(15)
    found *= np.uint32(_MIX)
    return found ^ (found >> np.uint32(13))


def _gathered(parts: list[tuple[Hashes, NDArray[np.int64]]], count: int) -> Tokens:
    """Parts (hashes, number of the text of each) as tokens of `count` texts, in the order of the texts."""
    hashes = np.concatenate([hashes for hashes, _ in parts])
    texts = np.concatenate([texts for _, texts in parts])
    order = np.argsort(texts, kind="stable")
    return Tokens(hashes[order], np.searchsorted(texts[order], np.arange(count)))


def ngrams(texts: Sequence[str]) -> Tokens:
    """Words, pairs of words and character n-grams of each text; each has at least one token."""
    batch = _Batch(texts)
    parts = [(np.full(len(texts), _TEXT, np.uint32), np.arange(len(texts)))]
    words, of_word = batch.words(), batch.texts[batch.word_starts]
    parts.append((_mixed(words, _WORD), of_word))
    beside = of_word[1:] == of_word[:-1]
    pairs = words[:-1] * np.uint32(_LEFT) + words[1:]
    parts.append((_mixed(pairs[beside], _PAIR), of_word[:-1][beside]))
    for length in _LENGTHS:
        found, starts = batch.ngrams(length)
        parts.append((_mixed(found, length), batch.texts[starts]))
    return _gathered(parts, len(texts))


def words(texts: Sequence[str]) -> Tokens:
    """The words of each text and their beginnings."""
    batch = _Batch(texts)
    of_word = batch.texts[batch.word_starts]
    parts = [(_mixed(batch.words(), _WORD), of_word), (_mixed(batch.words(_STEM), _PREFIX), of_word)]
    return _gathered(parts, len(texts))
