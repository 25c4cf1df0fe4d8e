"""Alphanumeric features: which of its values a text says."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from classification_service.features.class_index import ClassIndex, IndexedFeature
from classification_service.features.models import Evidence, Value
from classification_service.features.passages import Passage
from classification_service.features.phrases import Match, is_negated, longest_of, same_place
from classification_service.features.quantities import Quantity

_NAMED = 0.95  # a value with the name of its feature near
_STRONG = 0.86  # one whose words say what they are
_WEAK_NAMED = 0.92  # a letter or a number with the full name of the feature
_WEAK_NEAR = 0.82  # and with one word of it
_NAMED_AMONG = 0.9  # one that several features have, and the name of one of them
_GENERAL = 0.72  # of several features with the value that which speaks of the whole thing
_UNCLEAR = 0.35
_VOLTAGE_TYPE = 0.85
_CURVE = 0.86
_CONTRADICTED = 0.55
_QUALIFIED = 0.45
_FOR_ANOTHER = 0.5
_LEAST_NAMED = 0.4
_FULLY_NAMED = 0.6
_CLOSE = 0.05
_LETTERS = 2
_LETTER = re.compile(r"([A-Z])[ -]?$")

_FOR = frozenset({"for", "like", "similar"})
_QUALIFIERS = frozenset(
    {"stainless", "spring", "cast", "die", "artificial", "synthetic", "imitation", "pseudo", "look"}
    | {"warm", "neutral", "cool", "daylight"}
)
_FOLLOWERS = frozenset({"look", "like", "plated", "coated", "optic", "effect"})
_SORTS = frozenset({"type", "class", "category"})


def read_values(index: ClassIndex, passage: Passage, matches: Sequence[Match]) -> Iterator[Evidence]:
    """What the phrases of a passage say about alphanumeric features."""
    values = longest_of([match for match in matches if match.phrase.value is not None])
    rated = [(match, _confidence(index, passage, match, values, matches)) for match in values]
    yield from _one_value_each([(match, confidence) for match, confidence in rated if confidence > 0])
    yield from _curve(index, passage)


def _confidence(
    index: ClassIndex, passage: Passage, match: Match, values: Sequence[Match], matches: Sequence[Match]
) -> float:
    one = index.features[match.phrase.feature]
    before = [word.word for word in passage.before(match.start, 2)]
    if is_negated(passage, match, matches):
        return 0.0
    confidence = _weak(index, passage, match, one) if match.phrase.weak else _strong(index, passage, match, values)
    if _is_qualified(passage, match):
        return confidence * _QUALIFIED
    return confidence if _FOR.isdisjoint(before) or "suitable" in one.weights else confidence * _FOR_ANOTHER


def _is_qualified(passage: Passage, match: Match) -> bool:
    """Whether a word right beside makes it something else: leather look, spring steel."""
    before, after = passage.before(match.start, 1), passage.after(match.end, 1)
    return any(word.word in _QUALIFIERS and match.start - word.end <= 1 for word in before) or any(
        word.word in _FOLLOWERS and word.start - match.end <= 1 for word in after
    )


def _strong(index: ClassIndex, passage: Passage, match: Match, values: Sequence[Match]) -> float:
    """The confidence of a value whose words say what they are; several features may have it."""
    context = passage.context(match.start, match.end)
    rivals = [index.features[other.phrase.feature] for other in values if same_place(match, other)]
    one = index.features[match.phrase.feature]
    named = {rival.position: rival.coverage(context) for rival in rivals}
    best = max(named.values())
    if len(named) == 1:
        return _NAMED if best >= _LEAST_NAMED else _STRONG
    leaders = [rival for rival in rivals if named[rival.position] == best]
    if best >= _LEAST_NAMED and len({leader.position for leader in leaders}) == 1:
        return _NAMED_AMONG if leaders[0] is one else 0.0
    general = min(rivals, key=_generality)
    simpler = [rival for rival in rivals if _generality(rival) == _generality(general)]
    if len({rival.position for rival in simpler}) == 1:
        return _GENERAL if one is general else 0.0
    return _UNCLEAR


def _generality(one: IndexedFeature) -> tuple[int, bool]:
    """Lower for features that speak of the whole thing: its material or colour first."""
    return len(one.core), one.core.isdisjoint({"material", "colour"})


def _weak(index: ClassIndex, passage: Passage, match: Match, one: IndexedFeature) -> float:
    """The confidence of letters and numbers that say nothing without the feature's name beside them."""
    text = passage.text[match.start : match.end]
    if text in {"AC", "DC"} and "voltage" in one.weights:
        near = (quantity.unit is not None and quantity.unit.kind == "voltage" for quantity in _beside(passage, match))
        return _VOLTAGE_TYPE if any(near) else 0.0
    if len(text) <= _LETTERS and text[0].isalpha() and not text[0].isupper():
        return 0.0  # letters in lower case are words
    before = [word.word for word in passage.before(match.start, 4)] or list(passage.lead)
    after = [word.word for word in passage.after(match.end, 1)] if not match.phrase.words[-1].isdigit() else []
    adjacent = [*before[:1], *after]
    if not any(word in one.core or (word in _SORTS and not _SORTS.isdisjoint(one.weights)) for word in adjacent):
        return 0.0
    covered = one.coverage(passage.context(match.start, match.end))
    rivals = [
        other
        for other in index.features
        if other is not one and other.feature.kind == "alphanumeric" and not other.core.isdisjoint(adjacent)
    ]
    if covered >= _FULLY_NAMED:
        return _WEAK_NAMED
    return _WEAK_NEAR if not any(_has_value(index, rival, match) for rival in rivals) else _UNCLEAR


def _has_value(index: ClassIndex, one: IndexedFeature, match: Match) -> bool:
    phrases = index.phrases.get(match.phrase.words[0], ())
    return any(phrase.feature == one.position and phrase.words == match.phrase.words for phrase in phrases)


def _beside(passage: Passage, match: Match) -> Iterator[Quantity]:
    for quantity in passage.quantities:
        if 0 <= match.start - quantity.end <= 2 or 0 <= quantity.start - match.end <= 2:  # noqa: PLR2004  characters
            yield quantity


def _one_value_each(rated: Sequence[tuple[Match, float]]) -> Iterator[Evidence]:
    """The likeliest value of each feature; another one of the same feature makes it less likely."""
    by_feature: defaultdict[int, list[tuple[Match, float]]] = defaultdict(list)
    for match, confidence in rated:
        by_feature[match.phrase.feature].append((match, confidence))
    for found in by_feature.values():
        match, confidence = max(found, key=lambda entry: entry[1])
        likely = {rival.phrase.value for rival, other in found if other >= confidence - _CLOSE}
        factor = 1.0 if len(likely) == 1 else _CONTRADICTED
        if match.phrase.value is not None:
            yield _evidence(match.phrase.feature, match.phrase.value, confidence * factor, match.start, match.end)


def _evidence(position: int, value: Value, confidence: float, start: int, end: int) -> Evidence:
    return Evidence(position=position, value=value, unit_text=None, confidence=confidence, start=start, end=end)


def _curve(index: ClassIndex, passage: Passage) -> Iterator[Evidence]:
    """B16 or C 16 A of a circuit breaker: the letter of its curve and its current."""
    curves = [one for one in index.features if "curve" in one.core and one.feature.kind == "alphanumeric"]
    currents = [one for one in index.by_kind.get("current", ()) if one.core == {"current"}]
    if len(curves) != 1 or len(currents) != 1:
        return
    letters = {value.title: value for value in curves[0].feature.values if len(value.title) == 1}
    for quantity in passage.quantities:
        match = _LETTER.search(passage.text, max(0, quantity.start - _LETTERS), quantity.start)
        is_current = quantity.unit is not None and quantity.unit.kind == "current"
        if match is None or match[1] not in letters or quantity.place or len(quantity.values) > 1:
            continue
        if passage.is_glued(match.start()) or not (quantity.glued or is_current):
            continue
        yield _evidence(curves[0].position, letters[match[1]], _CURVE, match.start(1), match.end(1))
        if quantity.unit is None:
            yield _evidence(currents[0].position, quantity.values[0], _CURVE, quantity.start, quantity.end)
