"""The place behind a row in an order, as a text that callers pass on: its values of the order, exactly."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from dataflow_service.records.query import OrderKey
from dataflow_service.registry.json_values import check_bigint
from dataflow_service.registry.validation import check_value
from nexus_chassis.exact_dates import days_beyond, microseconds_beyond

_SPECIAL = frozenset({"NaN", "nan", "Infinity", "inf", "-Infinity", "-inf"})


def encode(order: Sequence[OrderKey], row: Mapping[str, Any]) -> str:
    """Return the place behind a row."""
    values = [_text(row[key.field.name]) for key in order]
    content = json.dumps([_name(order), *values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")


def decode(order: Sequence[OrderKey], text: str) -> list[Any]:
    """Return the values of the row that `encode` made the text of.

    Raises:
        ValueError: The text is no place in this order.
    """
    try:
        name, *values = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True))
        if name == _name(order):
            return [_value(key, value) for key, value in zip(order, values, strict=True)]
    except (ValueError, TypeError, ArithmeticError, RecursionError):
        pass
    raise ValueError(f"is no `next` of a page in the order {_name(order)}; send the `next` of such a page unchanged")


def _name(order: Sequence[OrderKey]) -> str:
    return ",".join(map(str, order))


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case date():  # or datetime
            return value.isoformat()
    return str(value)


def _value(key: OrderKey, text: object) -> Any:  # noqa: ANN401 - of the type of its field
    if text is None and key.field.nullable:
        return None
    if not isinstance(text, str):
        raise TypeError
    return _READERS[key.field.sql_type](text)


def _double(text: str) -> Any:  # noqa: ANN401 - what is checked is a float
    return float(text) if text in _SPECIAL else check_value("double precision", Decimal(text))


def _numeric(text: str) -> Any:  # noqa: ANN401 - what is checked is a Decimal
    return Decimal(text) if text in _SPECIAL else check_value("numeric", text)


def _of_time(sql_type: str, count_beyond: Callable[[str], int]) -> Callable[[str], Any]:
    def read(text: str) -> Any:  # noqa: ANN401 - what PostgreSQL gets
        try:
            count_beyond(text)
        except ValueError:
            return check_value(sql_type, text)
        return text

    return read


_READERS: Mapping[str, Callable[[str], Any]] = {
    "text": lambda text: check_value("text", text),
    "boolean": lambda text: check_value("boolean", json.loads(text)),
    "bigint": lambda text: check_bigint(int(text)),
    "double precision": _double,
    "numeric": _numeric,
    "timestamptz": _of_time("timestamptz", microseconds_beyond),
    "date": _of_time("date", days_beyond),
    "uuid": lambda text: check_value("uuid", text),
}
