"""Attributes of an item: a name that means a feature, and a value that is read strictly."""

import re
from collections.abc import Iterator

from classification_service.features.class_index import FILLERS, ClassIndex, IndexedFeature
from classification_service.features.models import Evidence, Value
from classification_service.features.passages import Passage
from classification_service.features.quantities import Form, Quantity
from classification_service.features.units import Unit, Units
from classification_service.features.words import words_of

_EXACT = 0.97
_LEAST = 0.6
_CONTAINED = 0.88
_ASSUMED_UNIT = 0.95
_UNIT_IN_NAME = re.compile(r"[\[(]([^\[\]()]{1,16})[\])]\s*$")
_YES = frozenset({"yes", "y", "1", "with", "x", "available"})
_NO = frozenset({"no", "n", "0", "without", "not", "none"})
_MAX_NAME = 200


def feature_of(index: ClassIndex, name: str) -> tuple[IndexedFeature, float] | None:
    """The feature that a name means, with how well; None where none or several do."""
    words = {word for word in words_of(_UNIT_IN_NAME.sub("", name[:_MAX_NAME])) if word not in FILLERS}
    if not words or not index.features:
        return None
    rated = sorted(((_likeness(one, words), one) for one in index.features), key=lambda entry: -entry[0])
    best, one = rated[0]
    if best < _LEAST or (len(rated) > 1 and rated[1][0] == best):
        return None
    return one, best


def _likeness(one: IndexedFeature, words: set[str]) -> float:
    """What both have of what either has, by weight."""
    weights = {**dict.fromkeys(words, 1.0), **one.weights}
    total = sum(weights.values())
    return sum(weight for word, weight in one.weights.items() if word in words) / total if total else 0.0


def read_attribute(one: IndexedFeature, likeness: float, name: str, passage: Passage) -> Iterator[Evidence]:
    """The value of the feature that the attribute is for, if it is one."""
    sure = _EXACT * (0.8 + 0.2 * likeness)
    match one.feature.kind:
        case "logical":
            found = _logical(passage)
            if found is not None:
                yield _evidence(one, passage, found, sure)
        case "alphanumeric":
            yield from _alphanumeric(one, passage, sure)
        case "numeric" | "range":
            yield from _numeric(one, name, passage, sure)


def _evidence(
    one: IndexedFeature, passage: Passage, value: Value, confidence: float, unit_text: str | None = None
) -> Evidence:
    start = len(passage.text) - len(passage.text.lstrip())
    return Evidence(
        position=one.position,
        value=value,
        unit_text=unit_text,
        confidence=confidence,
        start=start,
        end=max(len(passage.text.rstrip()), start + 1),
    )


def _logical(passage: Passage) -> bool | None:
    words = [word.word for word in passage.words]
    if len(words) != 1:
        return None
    return True if words[0] in _YES else False if words[0] in _NO else None


def _alphanumeric(one: IndexedFeature, passage: Passage, sure: float) -> Iterator[Evidence]:
    """The whole text is the title of a value. A part of it is read as any text is."""
    words = tuple(word.word for word in passage.words)
    found = [value for value in one.feature.values if words and words_of(value.title) == words]
    if len(found) == 1:
        yield _evidence(one, passage, found[0], sure)


def _numeric(one: IndexedFeature, name: str, passage: Passage, sure: float) -> Iterator[Evidence]:
    quantities = passage.quantities
    if len(quantities) != 1:
        return
    quantity = quantities[0]
    if passage.text[: quantity.start].strip(" ~≈<>=≤≥") or passage.text[quantity.end :].strip(" ."):
        sure *= _CONTAINED
    unit = quantity.unit or _unit_in(name, passage.units)
    if unit is not None and (one.unit is None or unit.kind != one.unit.kind):
        return
    if unit is None and one.unit is not None:
        sure *= _ASSUMED_UNIT
    value = _value(one, quantity, unit)
    if value is not None:
        yield _evidence_at(one, quantity, value, sure * (0.75 if quantity.ambiguous else 1.0))


def _unit_in(name: str, units: Units) -> Unit | None:
    """The unit at the end of a name: Length [mm]."""
    match = _UNIT_IN_NAME.search(name[:_MAX_NAME])
    return None if match is None else units.named(match[1])


def _value(one: IndexedFeature, quantity: Quantity, unit: Unit | None) -> Value | None:
    values = [value if unit is None or one.unit is None else unit.convert(value, one.unit) for value in quantity.values]
    if one.feature.kind == "range":
        return (values[0], values[-1]) if quantity.form in {Form.SINGLE, Form.RANGE} else None
    return values[0] if quantity.form == Form.SINGLE else None


def _evidence_at(one: IndexedFeature, quantity: Quantity, value: Value, confidence: float) -> Evidence:
    return Evidence(
        position=one.position,
        value=value,
        unit_text=quantity.unit_text,
        confidence=confidence,
        start=quantity.start,
        end=quantity.end,
    )
