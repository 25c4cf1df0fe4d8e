"""Quantities in a text: numbers with their units, ranges of them, and products such as 3x1.5 mm²."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from classification_service.features.numbers import NUMERAL, Number, read_fraction, read_number
from classification_service.features.units import Unit, Units

MAX_QUANTITIES = 100
"""Of one text. What comes after is left out."""

_NUMERAL = re.compile(NUMERAL)
_SIGN = re.compile(r"(?:±|\+/-)\s?$|[+-]$")
_SIGN_LENGTH = 5
_BEFORE_SIGN = frozenset(" ([:=;,/.")
_JOINTS = (
    ("cross", re.compile(r"\s?[x*]\s?", re.IGNORECASE)),
    ("earth", re.compile(r"[gG]")),
    ("range", re.compile(r"\s?(?:\.{2,3}|-)\s?|~|\s(?:to|bis|hasta|up to|jusqu'à|à|a)\s")),
    ("slash", re.compile(r"\s?/\s?")),
)
_MAX_JOINT = 12
_MAX_CHAIN = 4
_MAX_GLUED = 8
_GLUED = re.compile(r"[^\W\d]+$")
_GLUED_KINDS = {"current": frozenset("BCDKZ"), "length": frozenset("LWHBDTØ")}  # B16A, L120mm
_SINGLE_PHASE, _THREE_PHASES = 1, 3


class Form(StrEnum):
    """How numbers belong together."""

    SINGLE = "single"
    RANGE = "range"
    SLASH = "slash"
    CROSS = "cross"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """Numbers with one unit, from `start` to `end`. A product has one for each factor, of which this is number `place`.

    `glued` are letters right before the first number, as in M8 or DN25.
    """

    values: tuple[float, ...]
    unit: Unit | None
    unit_text: str | None
    form: Form
    start: int
    end: int
    ambiguous: bool = False
    place: int = 0
    factors: int = 1
    glued: str = ""


@dataclass(frozen=True, slots=True)
class _Part:
    value: float
    start: int
    end: int
    ambiguous: bool
    glued: str
    unit: Unit | None = None
    unit_text: str | None = None


def read_quantities(text: str, language: str, units: Units) -> list[Quantity]:
    """The quantities of a text in their order; numbers without a unit among them."""
    found: list[Quantity] = []
    for chain, joints in _chains(text, list(_parts(text, language, units))):
        found.extend(_quantities(chain, joints))
        if len(found) >= MAX_QUANTITIES:
            break
    return found[:MAX_QUANTITIES]


def _parts(text: str, language: str, units: Units) -> Iterator[_Part]:
    end = 0
    count = 0
    while count < MAX_QUANTITIES and (match := _NUMERAL.search(text, end)) is not None:
        part = _part(text, match, end, language, units)
        if part is None:
            end = _end_of_word(text, match.end())
        else:
            count += 1
            end = part.end
            yield part


def _end_of_word(text: str, start: int) -> int:
    end = text.find(" ", start)
    return len(text) if end < 0 else end


def _part(text: str, match: re.Match[str], after: int, language: str, units: Units) -> _Part | None:
    number, unit = _number_and_unit(text, match, language, units)
    if number is None:
        return None
    start, value = match.start(), number.value
    glued = _GLUED.search(text[max(after, start - _MAX_GLUED) : start])
    if (sign := _sign(text, max(after, start - _SIGN_LENGTH), start)) is not None:
        start -= len(sign)
        value = -value if sign == "-" else value
    part = _Part(value, start, number.end, number.ambiguous, glued[0] if glued else "")
    if unit is None:
        return part
    found, begin, end = unit
    return replace(part, unit=found, unit_text=text[begin:end], end=end)


def _sign(text: str, first: int, start: int) -> str | None:
    """The sign before a number, from `first` on: a hyphen after a word or a number is none."""
    if (sign := _SIGN.search(text[first:start])) is None:
        return None
    before = start - len(sign.group()) - 1
    return sign.group() if before < 0 or text[before] in _BEFORE_SIGN else None


def _number_and_unit(
    text: str, match: re.Match[str], language: str, units: Units
) -> tuple[Number | None, tuple[Unit, int, int] | None]:
    """A fraction is one before inches alone: 230/400 V are two numbers."""
    if (fraction := read_fraction(text, match)) is not None:
        unit = units.at(text, fraction.end)
        if unit is not None and unit[0].kind == "length":
            return fraction, unit
    number = read_number(text, match, language)
    return number, None if number is None else units.at(text, number.end)


def _chains(text: str, parts: Sequence[_Part]) -> Iterator[tuple[list[_Part], list[str]]]:
    """Numbers that follow each other with joints between them."""
    chain: list[_Part] = []
    joints: list[str] = []
    for part in parts:
        joint = _joint(text, chain[-1], part) if chain else None
        if chain and joint is None:
            yield chain, joints
            chain, joints = [], []
        chain.append(part)
        if joint is not None:
            joints.append(joint)
    if chain:
        yield chain, joints


def _joint(text: str, before: _Part, after: _Part) -> str | None:
    between = text[before.end : after.start]
    if not between or len(between) > _MAX_JOINT:
        return None
    if between == "~" and before.value in {_SINGLE_PHASE, _THREE_PHASES}:  # 3~ 400 V are three phases
        return None
    joint = next((name for name, pattern in _JOINTS if pattern.fullmatch(between)), None)
    return None if joint == "slash" and before.unit is not None else joint


def _quantities(chain: list[_Part], joints: list[str]) -> Iterator[Quantity]:
    kinds = {"cross" if joint == "earth" else joint for joint in joints}
    if chain[0].unit is not None and not _may_follow(chain[0].glued, chain[0].unit):
        return
    if len(chain) > _MAX_CHAIN or len(kinds) > 1:
        yield from (_single(part) for part in chain if part.unit is not None)
    elif not kinds:
        yield _single(chain[0])
    elif kinds == {"cross"}:
        yield from _factors(chain)
    else:
        yield from _pair(chain, Form.RANGE if kinds == {"range"} else Form.SLASH)


def _may_follow(letters: str, unit: Unit) -> bool:
    """Whether a quantity may stand right after letters: others are parts of a name, such as the 07V of H07V."""
    return letters in {"", "x", "X"} or letters in _GLUED_KINDS.get(unit.kind, frozenset())


def _single(part: _Part) -> Quantity:
    return Quantity(
        values=(part.value,),
        unit=part.unit,
        unit_text=part.unit_text,
        form=Form.SINGLE,
        start=part.start,
        end=part.end,
        ambiguous=part.ambiguous,
        glued=part.glued,
    )


def _factors(chain: list[_Part]) -> Iterator[Quantity]:
    """The factors of a product: the unit of the last counts for those without one if it is a length, else they are counts."""
    last = chain[-1]
    for place, part in enumerate(chain):
        quantity = replace(_single(part), form=Form.CROSS, place=place, factors=len(chain))
        if part.unit is None and last.unit is not None and last.unit.kind == "length":
            quantity = replace(quantity, unit=last.unit, unit_text=last.unit_text)
        yield quantity


def _pair(chain: list[_Part], form: Form) -> Iterator[Quantity]:
    """Two numbers of one unit: the ends of a range, or alternatives such as 230/400 V."""
    first, last = chain[0], chain[-1]
    unit = first.unit or last.unit
    two = len(chain) == 2  # noqa: PLR2004  the ends
    same = unit is None or last.unit is None or unit.kind == last.unit.kind
    if not two or not same or (form == Form.RANGE and last.unit is None and first.unit is not None):
        yield from (_single(part) for part in chain if part.unit is not None)
        return
    beginning, end = first.value, last.value
    if unit is not None and last.unit is not None:
        beginning, unit = unit.convert(beginning, last.unit), last.unit
    if form == Form.RANGE and beginning > end:
        yield from (_single(part) for part in chain if part.unit is not None)
        return
    yield Quantity(
        values=(beginning, end),
        unit=unit,
        unit_text=last.unit_text,
        form=form,
        start=first.start,
        end=last.end,
        ambiguous=first.ambiguous or last.ambiguous,
        glued=first.glued,
    )
