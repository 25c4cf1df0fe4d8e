"""From JSON values to what PostgreSQL stores, without loss: a value is stored exactly as sent, or refused.

A number in a `float` field is the nearest double. Everywhere else numbers are decimal. The errors are ValueErrors, whose
text continues the sentence that begins with the field's name.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from types import NoneType
from typing import Any
from uuid import UUID

from pydantic_core import to_json

MAX_DEPTH = 32
"""Levels of objects and arrays in a JSON field, itself included."""

MAX_DIGITS = 100
"""Digits of a decimal number before its point, and as many behind it."""

BIGINT = range(-(2**63), 2**63)
_MAX_INTEGER = 10**MAX_DIGITS
NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,9})?")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def check_text(value: str | None) -> str | None:
    """Return the text unless PostgreSQL cannot store it."""
    if value is not None and "\0" in value:
        raise ValueError("contains the character U+0000, which PostgreSQL cannot store; leave it out")
    return value


def check_bigint(value: int | None) -> int | None:
    """Return the number if it has at most 64 bits."""
    if value is not None and value not in BIGINT:
        raise ValueError(f"is outside the range of a 64 bit integer, {BIGINT.start} to {BIGINT.stop - 1}")
    return value


def to_double(value: object) -> object:
    """Return the double nearest to a decimal number; what is no decimal number is left to the field's type."""
    if not isinstance(value, Decimal):
        return value
    nearest = float(value)
    if not math.isfinite(nearest):
        raise ValueError("is a number too large for a field of double precision")
    if nearest == 0 and value != 0:
        raise ValueError("is a number too close to 0 for a field of double precision")
    return nearest


def to_decimal(value: object) -> object:
    """Return the decimal number that a JSON number or a string holds."""
    match value:
        case bool():
            return value
        case str() if not NUMBER.fullmatch(value):
            raise ValueError('should be a decimal number, such as 12.50 or "12.50"')
        case int() | str() | Decimal():
            return _storable_decimal(Decimal(value))
    return value


def _storable_decimal(value: Decimal) -> Decimal:
    if value.is_zero() and value.is_signed():
        raise ValueError("is or contains -0, which PostgreSQL stores as 0; send 0")
    exponent = value.as_tuple().exponent
    if (
        not isinstance(exponent, int)
        or exponent < -MAX_DIGITS
        or value.adjusted() >= MAX_DIGITS
        or exponent >= MAX_DIGITS
    ):
        raise ValueError(
            f"is or contains a number with more than {MAX_DIGITS} digits before or after its decimal point, "
            "written without an exponent; send it as a string in a text field"
        )
    return value


def decimal_text(value: Decimal) -> str:
    """Return the digits of a number, without an exponent."""
    return format(value, "f")


def to_datetime(value: object) -> object:
    """Return the moment that a string names in the form of RFC 3339."""
    if not isinstance(value, str):
        return value
    if not _DATETIME.fullmatch(value):
        raise ValueError("should be a date and time with its offset from UTC, such as 2026-02-03T04:05:06.789Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"is no date and time that exists: {error}") from None


def to_date(value: object) -> object:
    """Return the day that a string names in the form YYYY-MM-DD."""
    if not isinstance(value, str):
        return value
    if not _DATE.fullmatch(value):
        raise ValueError("should be a date in the form YYYY-MM-DD")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"is no date that exists: {error}") from None


def to_uuid(value: object) -> object:
    """Return the UUID that a string names in the form of RFC 9562."""
    if not isinstance(value, str):
        return value
    if not _UUID.fullmatch(value):
        raise ValueError("should be a UUID, such as 6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11")
    return UUID(value)


def to_json_text(value: object, check: Callable[[Any], Any]) -> str | None:
    """Return the JSON text of an object; `check` is what the field's type checks."""
    checked = check(value)
    return None if checked is None else _text(checked, 1)


def json_text(value: object) -> str:
    """Return the text of a JSON value."""
    return _text(value, 1)


def _text(value: object, depth: int) -> str:
    if isinstance(value, (dict, list)):
        return _container(value, depth)
    return _SCALARS[type(value)](value)


def _container(value: dict[str, object] | list[object], depth: int) -> str:
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        return "[" + ",".join([_text(item, depth + 1) for item in value]) + "]"
    return "{" + ",".join([f"{_string(name)}:{_text(item, depth + 1)}" for name, item in value.items()]) + "}"


def _string(value: str) -> str:
    check_text(value)
    return to_json(value).decode()


def _integer(value: int) -> str:
    if not -_MAX_INTEGER < value < _MAX_INTEGER:
        _storable_decimal(Decimal(value))
    return str(value)


def _decimal(value: Decimal) -> str:
    return decimal_text(_storable_decimal(value))


def _quoted(value: datetime | date | UUID) -> str:
    return to_json(value).decode()


_SCALARS: Mapping[type, Callable[[Any], str]] = {
    NoneType: lambda _: "null",
    bool: lambda value: "true" if value else "false",
    str: _string,
    int: _integer,
    float: lambda value: _decimal(Decimal(repr(value))),  # in a model's default
    Decimal: _decimal,
    datetime: _quoted,
    date: _quoted,
    UUID: _quoted,
}
