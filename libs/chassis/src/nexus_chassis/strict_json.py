"""One strict reader of JSON (RFC 8259), with the restrictions of I-JSON (RFC 7493): UTF-8, no duplicate names, no lone surrogates."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, Never

from pydantic_core import from_json

from nexus_chassis.limits import JsonLimits

JSON_LIMITS = JsonLimits()

_STRUCTURE = re.compile(rb'(?:[^"\[\]{},]++|"(?:[^"\\]++|\\.)*+")*+(?:([\[\]{},])|".*|\Z)', re.DOTALL)
"""Each bracket and comma outside strings; a string that does not end takes the rest, so that no byte is looked at twice."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_BOM = b"\xef\xbb\xbf"


class InvalidJsonError(ValueError):
    """The text is not JSON as this reader accepts it; the message says why."""


class DuplicateNameError(InvalidJsonError):
    """An object of the text has a name twice."""


def loads(data: bytes | str, *, decimals: bool = False, limits: JsonLimits = JSON_LIMITS) -> Any:  # noqa: ANN401  any JSON value
    """The value of a JSON text; with `decimals`, -0 and numbers with a fraction or an exponent are Decimal.

    Raises InvalidJsonError: malformed, not UTF-8, a duplicate name, NaN or Infinity, a lone surrogate, or over `limits`.
    """
    raw = data if isinstance(data, bytes) else _encoded(data)
    _check_size(raw, limits)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"it is not UTF-8: byte {error.start} is 0x{raw[error.start]:02x}") from None
    value = _decode(text, decimals=decimals, limits=limits)
    if _SURROGATE_ESCAPE.search(raw):
        _refuse_lone_surrogates(raw)
    return value


def check(data: bytes, limits: JsonLimits = JSON_LIMITS) -> None:
    """Raise InvalidJsonError for whatever `loads` refuses."""
    loads(data, limits=limits)


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidJsonError("it has a lone surrogate") from None


def _check_size(raw: bytes, limits: JsonLimits) -> None:
    """Count before anything is built: a value of two bytes costs up to 64 as a Python object."""
    if not raw.strip():
        raise InvalidJsonError("it is empty")
    if raw.startswith(_BOM):
        raise InvalidJsonError("it begins with a byte order mark; leave that out")
    opened = raw.count(b"[") + raw.count(b"{")
    if opened <= limits.depth and opened + raw.count(b",") < limits.values:
        return  # also if all of them stand outside strings
    values, depth = 1, 0
    for match in _STRUCTURE.finditer(raw):
        character = match[1]
        if character is None:
            return
        if character in b"]}":
            depth -= 1
            continue
        values += 1
        if character in b"[{":
            depth += 1
        if values > limits.values:
            raise InvalidJsonError(f"it has more than {limits.values} values")
        if depth > limits.depth:
            raise InvalidJsonError(f"it is nested more than {limits.depth} deep")


def _decode(text: str, *, decimals: bool, limits: JsonLimits) -> Any:  # noqa: ANN401  any JSON value
    try:
        return _decoder(limits.members, decimals=decimals).decode(text)
    except InvalidJsonError:
        raise
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise InvalidJsonError("it has a number with too many digits") from None


@cache
def _decoder(members: int, *, decimals: bool) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object_builder(members),
        parse_float=Decimal if decimals else _finite,
        parse_int=_integer_or_minus_zero if decimals else int,
        parse_constant=_refuse_constant,
    )


def _object_builder(members: int) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(pairs) > members:
            raise InvalidJsonError(f"an object has more than {members} members")
        built = dict(pairs)
        if len(built) < len(pairs):
            raise DuplicateNameError(f"the name {_duplicate(pairs)!r} is given twice in one object")
        return built

    return build


def _duplicate(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    return next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]


def _integer_or_minus_zero(text: str) -> int | Decimal:
    return Decimal(text) if text == "-0" else int(text)


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise InvalidJsonError(f"the number {text[:40]} is too large")
    return number


def _refuse_constant(name: str) -> Never:
    raise InvalidJsonError(f"{name} is not JSON")


def _refuse_lone_surrogates(raw: bytes) -> None:
    try:
        from_json(raw)
    except ValueError as error:
        raise InvalidJsonError(f"it has a lone surrogate: {error}") from None
