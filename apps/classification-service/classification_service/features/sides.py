"""Products such as 120 x 80 x 40 mm: which factor is the length, the width and so on."""

import re
from collections.abc import Mapping, Sequence

from classification_service.features.class_index import IndexedFeature
from classification_service.features.quantities import Form, Quantity

_LETTERED = 0.95
_FALLING = 0.85  # length, width, height, each not more than the one before
_THREE_IN_ORDER = 0.66
_TWO_IN_ORDER = 0.72
_SWAPPED = 0.3
_NEAR = 24  # characters between the product and the letters of its factors
_LETTERS = re.compile(r"\b([LWHDBTØ]) ?[x/*] ?([LWHDBTØ])(?: ?[x/*] ?([LWHDBTØ]))?\b")
_OWN_LETTER = re.compile(r" ?\(([LWHDBTØ])\)")
_BEFORE_LETTER = re.compile(r"(?<![^\W_])([LWHDBTØ])[ :=]{0,2}$")
_SIDES: Mapping[str, str] = {
    "L": "length",
    "W": "width",
    "B": "width",
    "H": "height",
    "D": "depth",
    "T": "depth",
    "Ø": "diameter",
}
_ORDERS = (
    ("length", "width", "height"),
    ("width", "height", "depth"),
    ("length", "width", "thickness"),
    ("diameter", "length"),
    ("length", "width"),
    ("width", "height"),
    ("length", "height"),
    ("width", "depth"),
)
"""How the sides are ordered where nothing says it: the first that a class has features for."""


def sides_of(
    text: str, features: Sequence[IndexedFeature], quantities: Sequence[Quantity]
) -> list[Mapping[int, float]]:
    """What order and letters say: for each quantity how likely it belongs to the features at some positions."""
    by_side = _by_side(features)
    return [
        {by_side[side].position: confidence for side, confidence in sides.items() if side in by_side}
        for sides in (_sides(text, quantity, quantities, by_side) for quantity in quantities)
    ]


def _sides(
    text: str, quantity: Quantity, quantities: Sequence[Quantity], by_side: Mapping[str, IndexedFeature]
) -> Mapping[str, float]:
    if not by_side:
        return {}
    if (letter := _letter(text, quantity)) is not None:
        return {_SIDES[letter]: _LETTERED}
    return _of_factor(text, quantity, quantities, by_side) if quantity.form == Form.CROSS else {}


def _by_side(features: Sequence[IndexedFeature]) -> dict[str, IndexedFeature]:
    """The features that are sides, of several for one side that with the shortest title."""
    found: dict[str, IndexedFeature] = {}
    for one in sorted(features, key=lambda one: len(one.feature.title)):
        if one.unit is not None and one.unit.kind == "length" and len(one.core) == 1 and one.side is None:
            found.setdefault(next(iter(one.core)), one)
    return found


def _of_factor(
    text: str, quantity: Quantity, quantities: Sequence[Quantity], by_side: Mapping[str, IndexedFeature]
) -> dict[str, float]:
    if (letters := _letters(text, quantity, quantities)) is not None:
        return {_SIDES[letters[quantity.place]]: _LETTERED} if quantity.place < len(letters) else {}
    order = next((order for order in _ORDERS if len(order) == quantity.factors and by_side.keys() >= set(order)), None)
    if order is None:
        return {}
    confidence = _TWO_IN_ORDER
    if len(order) == 3:  # noqa: PLR2004  sides
        confidence = _FALLING if order[0] == "length" and _is_falling(quantity, quantities) else _THREE_IN_ORDER
    if order == ("length", "width") and quantity.place < 2:  # noqa: PLR2004  sides
        order = _longest_first(quantity, quantities) or order
    return dict.fromkeys(order, _SWAPPED) | {order[quantity.place]: confidence}


def _longest_first(quantity: Quantity, quantities: Sequence[Quantity]) -> tuple[str, str] | None:
    """The length is the longer one: 3.6 x 140 mm."""
    product = _product(quantity, quantities)
    first = next((one for one in product if one.place == 0), None)
    last = next((one for one in product if one.place == 1), None)
    if first is None or last is None or first.unit is None or last.unit is None:
        return None
    is_longer = last.unit.convert(last.values[0], first.unit) > first.values[0]
    return ("width", "length") if is_longer else None


def _product(quantity: Quantity, quantities: Sequence[Quantity]) -> list[Quantity]:
    """All factors of the product that one belongs to."""
    place = next(number for number, one in enumerate(quantities) if one is quantity)
    first = place - quantity.place
    return list(quantities[max(0, first) : first + quantity.factors])


def _is_falling(quantity: Quantity, quantities: Sequence[Quantity]) -> bool:
    values = [
        one.unit.convert(one.values[0], quantity.unit)
        for one in _product(quantity, quantities)
        if one.unit and quantity.unit
    ]
    return values == sorted(values, reverse=True)


def _letter(text: str, quantity: Quantity) -> str | None:
    """The letter of the quantity itself: 120 (L), B = 80, Ø 12."""
    if (after := _OWN_LETTER.match(text, quantity.end)) is not None:
        return after[1]
    before = _BEFORE_LETTER.search(text, max(0, quantity.start - 4), quantity.start)
    return before[1] if before is not None else None


def _letters(text: str, quantity: Quantity, quantities: Sequence[Quantity]) -> tuple[str, ...] | None:
    """The letters of all factors near the product: (W x H x D)."""
    product = _product(quantity, quantities)
    start, end = product[0].start, product[-1].end
    for begin, stop in ((max(0, start - _NEAR), start), (end, end + _NEAR)):
        if (match := _LETTERS.search(text, begin, stop)) is not None:
            letters = tuple(letter for letter in match.groups() if letter)
            return letters if len(letters) == quantity.factors else None
    return None
