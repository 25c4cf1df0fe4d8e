"""Words of a text that say values of a class's features."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from classification_service.features.class_index import ClassIndex, Phrase
from classification_service.features.passages import Passage
from classification_service.features.quantities import Quantity

MAX_PHRASES = 100
"""That are found in one text; what comes after is left out."""

_SHORT_CODE = 3  # characters of codes such as S3, which are in upper case
_MAX_GAP = 3  # characters between two words of a phrase
_GAP = re.compile(r"[\s\-/.,+&()=]{0,3}")
_NEGATIONS = frozenset(
    {"without", "no", "not", "non", "none", "never", "kein", "keine", "keinen", "nicht", "ni", "pas"}
)


@dataclass(frozen=True, slots=True)
class Match:
    """A phrase in a passage: its first and last word, and the characters from `start` to `end`."""

    phrase: Phrase
    first: int
    last: int
    start: int
    end: int


def find_phrases(index: ClassIndex, passage: Passage) -> list[Match]:
    """The phrases of a class in a passage, in their order; they may overlap."""
    found: list[Match] = []
    words = passage.words
    for first, word in enumerate(words):
        for phrase in index.phrases.get(word.word, ()):
            last = first + len(phrase.words) - 1
            if last < len(words) and all(
                words[first + step].word == wanted for step, wanted in enumerate(phrase.words)
            ):
                match = Match(phrase, first, last, word.start, words[last].end)
                if _is_whole(passage, match):
                    found.append(match)
        if len(found) >= MAX_PHRASES:
            break
    return found


def longest_of(matches: Sequence[Match]) -> list[Match]:
    """Those that are in no longer one, and begin in none before them."""
    kept: list[Match] = []
    for match in sorted(matches, key=lambda match: match.start - match.end):
        if all(match.end <= other.start or other.end <= match.start or same_place(match, other) for other in kept):
            kept.append(match)
    return sorted(kept, key=lambda match: match.start)


def same_place(match: Match, other: Match) -> bool:
    """Whether two are the same characters."""
    return (match.start, match.end) == (other.start, other.end)


def is_negated(passage: Passage, match: Match, others: Sequence[Match]) -> bool:
    """Whether one of the two words before says no, and not to another feature between: without valve, foldable."""
    end = match.start
    for word in passage.before(match.start, 2):
        if passage.breaks(word.end, end) or any(other.start <= word.start < other.end for other in others):
            return False
        if word.word in _NEGATIONS:
            return True
        end = word.start
    return False


def _is_whole(passage: Passage, match: Match) -> bool:
    """Whether the words follow each other, begin and end with words of the text, and are no part of a quantity."""
    words = passage.words[match.first : match.last + 1]
    for one, two in pairwise(words):
        if one.start != two.start and not (
            two.start - one.end <= _MAX_GAP and _GAP.fullmatch(passage.text, one.end, two.start)
        ):
            return False
    text = passage.text
    if _is_piece(passage, match):
        return False
    code = passage.text[match.start : match.end]
    if len(code) <= _SHORT_CODE and not code.isupper() and _is_code(match.phrase):
        return False
    glued_before = match.start > 0 and text[match.start - 1].isalnum()
    glued_after = match.end < len(text) and text[match.end].isalnum()
    if glued_before or glued_after:
        return False
    return not any(_is_part_of(match, quantity) for quantity in passage.quantities)


def _is_piece(passage: Passage, match: Match) -> bool:
    """Whether a match begins or ends within a compound: the steel of Edelstahl."""
    words = passage.words
    begins = match.first > 0 and words[match.first - 1].start == match.start
    ends = match.last + 1 < len(words) and words[match.last + 1].start == words[match.last].start
    return begins or ends


def _is_code(phrase: Phrase) -> bool:
    """Whether it is letters with digits, or an abbreviation of two letters."""
    return not phrase.weak and (len(phrase.words) > 1 or len(phrase.words[0]) <= 2)  # noqa: PLR2004  letters


def _is_part_of(match: Match, quantity: Quantity) -> bool:
    """Whether a match is a piece of a quantity with a unit: the A of 16 A."""
    if quantity.unit is None or match.end <= quantity.start or quantity.end <= match.start:
        return False
    return not (match.start <= quantity.start and quantity.end <= match.end)
