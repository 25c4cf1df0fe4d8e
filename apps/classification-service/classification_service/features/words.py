"""Texts as words that can be compared: in one form for upper and lower case, accents, plurals and some languages."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

_WORD = re.compile(r"[0-9]+(?:[.,][0-9]+)*|[^\W\d_]+|\+")
_LEXICON = Path(__file__).with_name("lexicon.txt")
_MAX_WORD = 40  # characters; a longer one is in no title
_SHORTEST_PLURAL = 4
_HEADS = (
    *("durchmesser", "lange", "breite", "hohe", "tiefe", "dicke", "gewicht"),
    *("spannung", "strom", "leistung", "temperatur", "druck", "farbe"),
)
"""Second parts of German compounds that features are named by."""


class Word(NamedTuple):
    """A word in its common form, and where the text has it. Several words may be one word of the text."""

    word: str
    start: int
    end: int


def split(text: str) -> list[Word]:
    """The words of a text: runs of letters, runs of digits with what separates them, and plus signs."""
    return [
        Word(word, match.start(), match.end())
        for match in _WORD.finditer(text)
        for word in common_forms(match.group()[:_MAX_WORD])
    ]


def words_of(text: str) -> tuple[str, ...]:
    """The words of a short text without their places."""
    return tuple(word.word for word in split(text))


@lru_cache(maxsize=50_000)
def common_forms(word: str) -> tuple[str, ...]:
    """The common form of a word, which are several words for a compound such as Nennstrom."""
    if word[0].isdigit():
        return (_plain_number(word),)
    folded = _folded(word)
    return _known(folded) or _compound(folded) or (_singular(folded),)


def _known(folded: str) -> tuple[str, ...] | None:
    lexicon = _lexicon()
    return lexicon.get(folded) or lexicon.get(_singular(folded))


def _compound(folded: str) -> tuple[str, ...] | None:
    """The parts of a German compound such as Wellendurchmesser."""
    head = next((head for head in _HEADS if folded.endswith(head) and len(folded) >= len(head) + 3), None)
    if head is None:
        return None
    stem = folded.removesuffix(head)
    stems = (stem, stem.removesuffix("s"), stem.removesuffix("n"), stem.removesuffix("en"))
    first = next((known for one in stems if (known := _known(one)) is not None), (stem,))
    return first + (_known(head) or ())


def _plain_number(word: str) -> str:
    """A number with a point for decimals: 2,5 and 2.50 are 2.5."""
    number = word.replace(",", ".")
    if number.count(".") != 1:
        return number
    return number.rstrip("0").rstrip(".")


def _folded(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _singular(word: str) -> str:
    if len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


@cache
def _lexicon() -> Mapping[str, tuple[str, ...]]:
    lexicon: dict[str, tuple[str, ...]] = {}
    for line in _LEXICON.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            common, _, others = line.partition(":")
            words = tuple(_singular(word) for word in common.split())
            lexicon |= {_folded(other): words for other in others.split()}
    return lexicon
