"""The units that are read and converted. pint says what they are worth; texts are compared with a list of spellings alone."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("units.txt")
_DIGITS = 9  # of a converted value
_PLAIN = str.maketrans({"\N{MINUS SIGN}": "-"})


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: a value times `scale` plus `offset` is one of the first unit of its kind."""

    name: str
    kind: str
    scale: float
    offset: float

    def convert(self, value: float, to: "Unit") -> float:
        """A value in another unit of the same kind, with nine digits."""
        if to == self:
            return value
        return float(f"{((value * self.scale + self.offset) - to.offset) / to.scale:.{_DIGITS}g}")


class Units:
    """All units by their spellings."""

    def __init__(self, spellings: Mapping[str, Unit]) -> None:
        self._spellings = spellings
        folded = Counter(spelling.casefold() for spelling in spellings)
        self._folded = {
            spelling.casefold(): unit for spelling, unit in spellings.items() if folded[spelling.casefold()] == 1
        }
        longest_first = sorted(spellings, key=len, reverse=True)
        pattern = "|".join(_pattern(spelling) for spelling in longest_first)
        # A unit ends where its word ends, or where the next factor begins: 120mmx80mm.
        ending = r"(?:(?![^\W_])|(?=[xX][0-9]))"
        self._exact = re.compile(rf" ?({pattern}){ending}")
        self._any_case = re.compile(rf" ?({pattern}){ending}", re.IGNORECASE)

    def at(self, text: str, start: int) -> tuple[Unit, int, int] | None:
        """The unit that begins at a place of a text or after one space, and its own place."""
        if (match := self._exact.match(text, start)) is not None:
            return self._spellings[match[1]], match.start(1), match.end(1)
        if (match := self._any_case.match(text, start)) is None:
            return None
        unit = self._folded.get(match[1].casefold())
        return None if unit is None else (unit, match.start(1), match.end(1))

    def named(self, title: str) -> Unit | None:
        """The unit of that title, such as mm, Millimetre or Millimetre (mm); None for one that is not known."""
        whole = unicodedata.normalize("NFKC", title).translate(_PLAIN).strip()
        name, _, short = whole.partition(" (")
        texts = (whole, short.removesuffix(")"), name)
        found = (self._spellings.get(text) or self._folded.get(text.casefold()) for text in texts)
        return next((unit for unit in found if unit is not None), None)


def _pattern(spelling: str) -> str:
    # "in" is a unit where nothing follows that it could be the preposition of.
    return r"in(?= *(?:$|[,;)/xX]))" if spelling == "in" else re.escape(spelling)


@cache
def load_units() -> Units:
    """The units. The first call has pint read its definitions, which takes half a second."""
    return Units(dict(_spellings()))


def _spellings() -> Iterator[tuple[str, Unit]]:
    from pint import UnitRegistry  # noqa: PLC0415  slow to load

    registry: UnitRegistry[float] = UnitRegistry()
    first: dict[str, str] = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        kind, name, spellings = (part.strip() for part in line.split(";"))
        base = first.setdefault(kind, name)
        zero, one = (registry.Quantity(float(value), name).to(base).magnitude for value in (0, 1))
        unit = Unit(name, kind, one - zero, zero)
        for spelling in spellings.split():
            yield unicodedata.normalize("NFKC", spelling.replace("_", " ")), unit
