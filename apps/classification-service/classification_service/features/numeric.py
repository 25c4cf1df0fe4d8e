"""Numbers and ranges with units: which quantity of a text is the value of which feature."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from classification_service.features.class_index import ClassIndex, IndexedFeature
from classification_service.features.likelihood import Choice
from classification_service.features.models import Evidence
from classification_service.features.passages import Passage
from classification_service.features.quantities import Form, Quantity
from classification_service.features.sides import sides_of
from classification_service.features.units import Unit

_CONTESTED = 0.65
_CLOSE = 0.05
_SAME = 0.03  # relative difference of a value that is said in two units
_MAX_SEARCHED = 5  # quantities of one kind whose best combination is looked for, and features for each


@dataclass(frozen=True, slots=True)
class _Match:
    quantity: Quantity
    feature: IndexedFeature
    confidence: float


def read_numbers(index: ClassIndex, passage: Passage) -> Iterator[Evidence]:
    """What quantities of a passage say about features."""
    by_kind: dict[str, list[Quantity]] = {}
    for quantity in passage.quantities:
        if quantity.unit is not None:
            by_kind.setdefault(quantity.unit.kind, []).append(quantity)
    for kind, quantities in by_kind.items():
        if (features := index.by_kind.get(kind)) is not None:
            yield from _of_kind(Choice(passage, features, index.title_words), quantities)


def _of_kind(choice: Choice, quantities: Sequence[Quantity]) -> Iterator[Evidence]:
    sides = sides_of(choice.passage.text, choice.features, quantities)
    options = [
        sorted(
            _matches(choice, quantity, choice.confidences(quantity, side)),
            key=lambda match: match.confidence,
            reverse=True,
        )
        for quantity, side in zip(quantities, sides, strict=True)
    ]
    chosen = _best(options)
    for match in chosen:
        yield from _evidence(_contested(match, options, chosen), choice.features)


def _matches(choice: Choice, quantity: Quantity, confidences: Sequence[float]) -> Iterator[_Match]:
    for one, confidence in zip(choice.features, confidences, strict=True):
        if confidence > 0:
            yield _Match(quantity, one, confidence)


def _best(options: Sequence[Sequence[_Match]]) -> list[_Match]:
    """At most one feature for each quantity and the other way round, with the highest confidences together."""
    return _searched(options) if len(options) <= _MAX_SEARCHED else _greedy(options)


def _searched(options: Sequence[Sequence[_Match]]) -> list[_Match]:
    best: tuple[float, list[_Match]] = (0.0, [])

    def search(number: int, chosen: list[_Match], total: float) -> None:
        nonlocal best
        if number == len(options):
            best = max(best, (total, chosen), key=lambda found: found[0])
            return
        for match in options[number][:_MAX_SEARCHED]:
            if all(match.feature is not other.feature for other in chosen):
                search(number + 1, [*chosen, match], total + match.confidence**2)
        search(number + 1, chosen, total)

    search(0, [], 0.0)
    return best[1]


def _greedy(options: Sequence[Sequence[_Match]]) -> list[_Match]:
    chosen: dict[int, _Match] = {}
    taken: set[int] = set()
    for match in sorted((match for row in options for match in row), key=lambda match: -match.confidence):
        if match.feature.position not in chosen and id(match.quantity) not in taken:
            chosen[match.feature.position] = match
            taken.add(id(match.quantity))
    return list(chosen.values())


def _contested(match: _Match, options: Sequence[Sequence[_Match]], chosen: Sequence[_Match]) -> _Match:
    """The match, less sure where another quantity that belongs nowhere would do as well: 12 V 24 V."""
    used = {id(other.quantity) for other in chosen}
    rivals = (
        rival.confidence
        for row in options
        for rival in row
        if rival.feature is match.feature and id(rival.quantity) not in used and not _is_same(rival, match)
    )
    is_contested = max(rivals, default=0.0) >= match.confidence - _CLOSE
    return replace(match, confidence=match.confidence * _CONTESTED) if is_contested else match


def _is_same(one: _Match, other: _Match) -> bool:
    """Whether two quantities are the same in other units: 2.2 kW (3 HP)."""
    first, second = one.quantity, other.quantity
    if first.unit is None or second.unit is None or len(first.values) != len(second.values):
        return False
    pairs = zip(first.values, second.values, strict=True)
    return all(math.isclose(first.unit.convert(a, second.unit), b, rel_tol=_SAME) for a, b in pairs)


def _evidence(match: _Match, features: Sequence[IndexedFeature]) -> Iterator[Evidence]:
    """The value in the feature's unit; a range is also that of the features of its two ends."""
    quantity, one = match.quantity, match.feature
    if quantity.form == Form.RANGE and one.side is not None:
        other = next((two for two in features if two.side not in {None, one.side} and two.core == one.core), None)
        for end in (one, other):
            if end is not None:
                value = _converted(quantity, quantity.values[0 if end.side == "min" else 1], end.unit)
                yield _found(quantity, end, value, match.confidence)
        return
    values = [_converted(quantity, value, one.unit) for value in quantity.values]
    is_range = one.feature.kind == "range"
    yield _found(quantity, one, (values[0], values[-1]) if is_range else values[0], match.confidence)


def _converted(quantity: Quantity, value: float, to: Unit | None) -> float:
    return value if quantity.unit is None or to is None else quantity.unit.convert(value, to)


def _found(quantity: Quantity, one: IndexedFeature, value: float | tuple[float, float], confidence: float) -> Evidence:
    return Evidence(
        position=one.position,
        value=value,
        unit_text=quantity.unit_text,
        confidence=confidence,
        start=quantity.start,
        end=quantity.end,
    )
