"""Reads the values of a class's features out of an item: its attributes, whose names say what they are, and its text."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from classification_service.features.alphanumeric import read_values
from classification_service.features.attributes import feature_of, read_attribute
from classification_service.features.class_index import ClassIndex
from classification_service.features.counts import read_counts
from classification_service.features.logical import read_logical
from classification_service.features.models import Evidence, FeatureValue, Readings
from classification_service.features.numbers import MAX_NUMBER
from classification_service.features.numeric import read_numbers
from classification_service.features.passages import Passage
from classification_service.features.phrases import find_phrases
from classification_service.features.source_text import SourceText
from classification_service.features.units import Units
from classification_service.features.words import words_of

FLOOR = 0.5
"""Values that are less likely to be right than this are not returned."""

MAX_READ = 20_000
"""Characters of the text and the attributes of one item that are read; attributes beyond are left out."""

_SURE, _NAMED = 0.7, 0.9
_OTHER_SAYS_OTHER = 0.85
_MOST = 0.99
_DIGITS = 4

type AttributeValue = str | int | float | bool


def read_item(
    index: ClassIndex, units: Units, *, text: str, attributes: Mapping[str, AttributeValue], language: str
) -> Readings:
    """The values of the features of a class that an item says."""
    found: dict[int, FeatureValue] = {}
    passages = list(_passages(units, text, attributes, language))
    for value in (value for name, passage in passages for value in _values(index, name, passage)):
        position = index.positions[value.feature.code]
        before = found.get(position)
        found[position] = value if before is None else _together(before, value)
    sure = {
        position: replace(value, confidence=round(min(value.confidence, _MOST), _DIGITS))
        for position, value in found.items()
        if value.confidence >= FLOOR
    }
    return Readings(
        is_whole=len(passages) == len(attributes) + 1,
        found=[sure[position] for position in sorted(sure)],
        open=[one.feature for one in index.features if one.position not in sure],
    )


def _passages(
    units: Units, text: str, attributes: Mapping[str, AttributeValue], language: str
) -> Iterator[tuple[str | None, Passage]]:
    """What is read, each after the name of its attribute."""
    left = MAX_READ - len(text)
    for name, raw in attributes.items():
        content = _text_of(raw)
        if len(name) + len(content) > left:
            break
        left -= len(name) + len(content)
        yield name, Passage(SourceText.of(content), language, units, lead=words_of(name)[::-1])
    yield None, Passage(SourceText.of(text), language, units)


def _text_of(raw: AttributeValue) -> str:
    if isinstance(raw, bool):
        return "yes" if raw else "no"
    return "" if isinstance(raw, int) and abs(raw) > MAX_NUMBER else str(raw)


def _values(index: ClassIndex, name: str | None, passage: Passage) -> Iterator[FeatureValue]:
    named = None if name is None else feature_of(index, name)
    read = [] if named is None or name is None else list(read_attribute(*named, name, passage))
    for evidence in read or _read_text(index, passage):
        yield _value(index, passage, evidence, name)


def _read_text(index: ClassIndex, passage: Passage) -> Iterator[Evidence]:
    matches = find_phrases(index, passage)
    phrases = [*read_values(index, passage, matches), *read_logical(index, passage, matches)]
    titles = [(one.start, one.end) for one in phrases if one.confidence >= _SURE]
    for number in (*read_numbers(index, passage), *read_counts(index, passage)):
        # 1/2 inch is no length where it is the title of a value.
        if number.confidence >= _NAMED or not any(start <= number.start and number.end <= end for start, end in titles):
            yield number
    yield from phrases


def _value(index: ClassIndex, passage: Passage, evidence: Evidence, attribute: str | None) -> FeatureValue:
    return FeatureValue(
        feature=index.features[evidence.position].feature,
        value=evidence.value,
        unit_text=evidence.unit_text,
        confidence=evidence.confidence,
        attribute=attribute,
        spot=passage.source.spot(evidence.start, evidence.end),
    )


def _together(one: FeatureValue, other: FeatureValue) -> FeatureValue:
    """Two that agree are surer than each, two that do not are less sure."""
    better, worse = (one, other) if one.confidence >= other.confidence else (other, one)
    if better.value == worse.value:
        return replace(better, confidence=1 - (1 - better.confidence) * (1 - worse.confidence * _OTHER_SAYS_OTHER))
    if worse.confidence < FLOOR:
        return better
    return replace(better, confidence=better.confidence * _OTHER_SAYS_OTHER)
