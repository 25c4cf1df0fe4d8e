"""Numbers as people write them."""

import math
import re
from dataclasses import dataclass

NUMERAL = r"[0-9]+(?:[.,'][0-9]+)*"
"""What may be a number. Whether it is one, `parse_number` says."""

MAX_DIGITS = 15
MAX_NUMBER = 1e15
MAX_EXPONENT = 3  # characters

_EXPONENT = re.compile(r"(?:[eE]|\s?[x*·]\s?10\s?\^)([+-]?[0-9]+)")
_FRACTION = re.compile(r"(?:[ -]([0-9]{1,3}))?\s?/\s?([0-9]{1,2})(?![0-9.,/]|\s?/)")
_GROUPS = re.compile(r"[0-9]{1,3}(?:[.,'][0-9]{3})+")
_SPACED = re.compile(r"(?: [0-9]{3})+(?![0-9.])")
_POINT_LANGUAGES = frozenset({"en", "zh", "ja", "ko", "th", "he", "hi", "ms"})
_SPACE_LANGUAGES = frozenset({"fr", "pl", "cs", "sk", "sv", "nb", "no", "fi", "ru", "uk", "hu", "bg", "lt", "lv", "et"})
_DENOMINATORS = frozenset({2, 3, 4, 8, 16, 32, 64})


@dataclass(frozen=True, slots=True)
class Number:
    """A number, where it ends, and whether a separator in it may mean something else in another country."""

    value: float
    end: int
    ambiguous: bool = False


def comma_is_decimal(language: str) -> bool:
    """Whether people who write a language, a BCP 47 tag, put a comma before decimals."""
    return language.partition("-")[0].lower() not in _POINT_LANGUAGES


def read_number(text: str, match: re.Match[str], language: str) -> Number | None:
    """The number that begins with a numeral: with groups of digits after spaces, a fraction or an exponent."""
    numeral, end = match.group(), match.end()
    main = language.partition("-")[0].lower()
    if main in _SPACE_LANGUAGES and len(numeral) <= len("123") and (spaced := _SPACED.match(text, end)):
        numeral, end = numeral + spaced.group().replace(" ", ""), spaced.end()
    plain = _plain(numeral, comma_decimal=comma_is_decimal(language))
    if plain is None:
        return None
    digits, ambiguous = plain
    value = float(digits)
    if (exponent := _EXPONENT.match(text, end)) is not None:
        value = _scaled(value, exponent[1])
        end = exponent.end()
    return Number(value, end, ambiguous) if math.isfinite(value) and abs(value) <= MAX_NUMBER else None


def read_fraction(text: str, match: re.Match[str]) -> Number | None:
    """The fraction such as 3/4 or 1 1/2 that begins with a numeral, as inches are written."""
    if not match.group().isdigit() or len(match.group()) > len("123"):
        return None
    found = _FRACTION.match(text, match.end())
    if found is None:
        return None
    whole, numerator = (int(match.group()), int(found[1])) if found[1] else (0, int(match.group()))
    denominator = int(found[2])
    if denominator not in _DENOMINATORS or not 0 < numerator < denominator:
        return None
    return Number(whole + numerator / denominator, found.end())


def _scaled(value: float, exponent: str) -> float:
    return value * 10.0 ** int(exponent) if len(exponent) <= MAX_EXPONENT else math.inf


def _plain(numeral: str, *, comma_decimal: bool) -> tuple[str, bool] | None:
    """The numeral with a point before decimals alone, and whether it is ambiguous; None for none."""
    if sum(character.isdigit() for character in numeral) > MAX_DIGITS:
        return None
    separators = [character for character in numeral if not character.isdigit()]
    match sorted(set(separators)):
        case []:
            return numeral, False
        case [only]:
            return _one_kind(numeral, only, len(separators), comma_decimal=comma_decimal)
        case _:
            return _two_kinds(numeral, separators[-1])


def _one_kind(numeral: str, separator: str, count: int, *, comma_decimal: bool) -> tuple[str, bool] | None:
    grouped = _GROUPS.fullmatch(numeral) is not None and not numeral.startswith("0")
    if separator == "'" or count > 1:
        return (numeral.replace(separator, ""), False) if grouped else None
    is_decimal = (separator == ",") == comma_decimal
    if grouped and not is_decimal:
        return numeral.replace(separator, ""), True
    return numeral.replace(separator, "."), grouped and separator == ","


def _two_kinds(numeral: str, last: str) -> tuple[str, bool] | None:
    """Groups of digits, then decimals: 1.234,5."""
    whole, _, decimals = numeral.rpartition(last)
    if last == "'" or last in whole or not _GROUPS.fullmatch(whole):
        return None
    groups = re.sub("[.,']", "", whole)
    return f"{groups}.{decimals}", False
