"""Logical features: whether a text says that something is there."""

import re
from collections.abc import Iterator, Sequence

from classification_service.features.class_index import ClassIndex, IndexedFeature
from classification_service.features.models import Evidence
from classification_service.features.passages import Passage
from classification_service.features.phrases import Match, is_negated, longest_of
from classification_service.features.words import words_of

_SAID = 0.9  # with the word "with", or that it is suitable, or that it is not there
_WORDS = 0.84  # the words of the title alone
_WORD = 0.6  # one word, of what may be there: a key, a magnet
_NO_AFTER = re.compile(r" ?[:=] ?(?:no|nein|non|false|0)\b", re.IGNORECASE)


def read_logical(index: ClassIndex, passage: Passage, matches: Sequence[Match]) -> Iterator[Evidence]:
    """What the phrases of a passage say about logical features."""
    longest = longest_of([match for match in matches if match.phrase.value is None])
    for match in longest:
        is_there = not (is_negated(passage, match, longest) or _NO_AFTER.match(passage.text, match.end))
        yield Evidence(
            position=match.phrase.feature,
            value=is_there,
            unit_text=None,
            confidence=_confidence(index.features[match.phrase.feature], passage, match) if is_there else _SAID,
            start=match.start,
            end=match.end,
        )


def _confidence(one: IndexedFeature, passage: Passage, match: Match) -> float:
    before = [word.word for word in passage.before(match.start, 3)]
    after = [word.word for word in passage.after(match.end, 3)]
    title = set(words_of(one.feature.title))
    if "with" in title and "with" in before:
        return _SAID
    if "suitable" in title and ("for" in before[:2] or "suitable" in after):
        return _SAID
    return _WORD if len(match.phrase.words) == 1 and not title.isdisjoint({"with", "suitable"}) else _WORDS
