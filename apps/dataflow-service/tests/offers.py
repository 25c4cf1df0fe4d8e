"""Values of the model in registry/fixtures/rich_types, and what is answered for them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

TEXTS = [
    *("", " ", "NULL", "null", "a,b", '"', "\\", '\\"', '""', "{", "}", "{}", "{a,b}", " a ", "\n", "\t", "'", "''"),
    *("ä", "\U0001f529", "\u2028", "\ufeff", "$1", "%s", "'}'::text[]; DROP TABLE offers; --", '","', "\\N", "\x01"),
]
LISTS: Mapping[str, Sequence[Any]] = {
    "texts": TEXTS,
    "wholes": [0, -1, 2**53 + 1, 2**63 - 1, -(2**63)],
    "reals": [0.0, -0.0, 0.1, -1.5, 1e308, 5e-324, 1.7976931348623157e308, 9007199254740993.0],
    "flags": [True, False],
    "exacts": [
        *("0", "0.10", "1E+5", "1e-7", "-12.50", "12345678901234567890.123456789012345678"),
        *("9" * 100, "0." + "0" * 99 + "1"),
    ],
    "moments": [
        *("2026-02-03T04:05:06.123456+02:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        *("2026-03-29T01:00:00Z", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "1900-01-01T00:00:00Z"),
    ],
    "days": ["2026-02-03", "0001-01-01", "9999-12-31", "2024-02-29"],
    "keys": ["6F1D3C54-5E0B-4C29-9A3E-0B6A3F7D2C11", "00000000-0000-0000-0000-000000000000"],
    "colours": ["red", "blue", 'it\'s "odd"'],
}


def moment(text: str) -> str:
    """A moment as it is answered."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")


_ANSWERED: Mapping[str, Callable[[Any], Any]] = {
    "exacts": lambda text: format(Decimal(text), "f"),
    "moments": moment,
    "keys": str.lower,
}


def answered(name: str, values: Sequence[Any]) -> list[Any]:
    """The list that is answered where this one was sent."""
    return list(map(_ANSWERED.get(name, lambda value: value), values))
