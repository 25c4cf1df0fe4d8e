"""Numbers without a unit: 3 poles, a thread M8, size 42, the 3 and the 1.5 of a cable 3x1.5."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from classification_service.features.class_index import ClassIndex, IndexedFeature
from classification_service.features.models import Evidence
from classification_service.features.passages import Passage
from classification_service.features.quantities import Form, Quantity

_THREAD = 0.94
_NAMED = 0.93
_PARTLY_NAMED = 0.8  # of the confidence, where the title has more words
_CROSS_SECTION = 0.82
_POLES = re.compile(r"[pP](?![\w+])")
_INCHES = frozenset({"inch", "imperial"})


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The quantities before and after one."""

    before: Quantity | None
    after: Quantity | None


def read_counts(index: ClassIndex, passage: Passage) -> Iterator[Evidence]:
    """What numbers without a unit say: each is the value of the feature that fits best, if one does."""
    for place, quantity in enumerate(passage.quantities):
        if quantity.unit is not None or quantity.form == Form.SLASH:
            continue
        yield from _cross_section(index, quantity)
        neighbours = _Neighbours(
            before=passage.quantities[place - 1] if place else None,
            after=next(iter(passage.quantities[place + 1 : place + 2]), None),
        )
        rated = [(_confidence(passage, quantity, one, neighbours), one) for one in index.counts]
        best = max((confidence for confidence, _ in rated), default=0.0)
        leaders = [one for confidence, one in rated if confidence == best]
        if best > 0 and len(leaders) == 1:
            yield from _values(leaders[0], quantity, best)


def _values(one: IndexedFeature, quantity: Quantity, confidence: float) -> Iterator[Evidence]:
    first, last = quantity.values[0], quantity.values[-1]
    if one.feature.kind == "range":
        yield _evidence(one, quantity, (first, last), confidence)
    elif quantity.form != Form.RANGE:
        yield _evidence(one, quantity, first, confidence)


def _evidence(
    one: IndexedFeature, quantity: Quantity, value: float | tuple[float, float], confidence: float
) -> Evidence:
    return Evidence(
        position=one.position,
        value=value,
        unit_text=None,
        confidence=confidence,
        start=quantity.start,
        end=quantity.end,
    )


def _cross_section(index: ClassIndex, quantity: Quantity) -> Iterator[Evidence]:
    areas = index.by_kind.get("area", ())
    is_second = quantity.form == Form.CROSS and quantity.place == 1
    if is_second and len(areas) == 1 and any("core" in one.core for one in index.counts):
        yield _evidence(areas[0], quantity, quantity.values[0], _CROSS_SECTION)


def _confidence(passage: Passage, quantity: Quantity, one: IndexedFeature, neighbours: _Neighbours) -> float:
    if "thread" in one.core:
        is_metric = quantity.glued == "M" and _INCHES.isdisjoint(one.weights)
        return _THREAD if is_metric and quantity.place == 0 and quantity.form != Form.RANGE else 0.0
    if quantity.glued not in {"", "x", "X"} or quantity.place > 0 or not one.core:
        return 0.0
    if "core" in one.core and quantity.form == Form.CROSS:
        return _NAMED if _is_cross_section(neighbours.after) else 0.0
    share = len(one.core & passage.context(quantity.start, quantity.end).keys()) / len(one.core)
    if "pole" in one.core and _POLES.match(passage.text, quantity.end):
        return _NAMED * max(share, 1 / len(one.core))
    return (
        _NAMED * (_PARTLY_NAMED + (1 - _PARTLY_NAMED) * share) if _is_named(passage, quantity, one, neighbours) else 0.0
    )


def _is_cross_section(after: Quantity | None) -> bool:
    return after is not None and after.place == 1 and (after.unit is None or after.unit.kind == "area")


def _is_named(passage: Passage, quantity: Quantity, one: IndexedFeature, neighbours: _Neighbours) -> bool:
    """Whether a word of the title stands right beside the number, and is not that of the number before: 1 pole 2 modules."""
    after = [word.word for word in passage.after(quantity.end, 1)]
    if after and after[0] in one.core and passage.is_close(quantity.end):
        return True
    before = passage.before(quantity.start, 1)
    if not before:
        return bool(passage.lead) and passage.lead[0] in one.core
    word = before[0]
    is_taken = neighbours.before is not None and 0 <= word.start - neighbours.before.end <= 1
    return word.word in one.core and not is_taken and not passage.breaks(word.end, quantity.start)
