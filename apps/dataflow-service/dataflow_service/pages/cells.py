"""Values of rows as texts of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from dataflow_service.records.encoding import row_values
from dataflow_service.records.repository import Row
from dataflow_service.registry.model import Field

MAX_SHOWN = 80
"""Characters of a value that a table shows."""

MAX_TITLE = 1000
"""Characters of a longer value that its title has."""

_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Cell:
    """A value: its text, None for null. `title` has more of a text that was cut."""

    text: str | None
    title: str | None = None


def cells(fields: Sequence[Field], row: Row) -> list[Cell]:
    """Return the values of a row as its JSON has them."""
    values = row_values([field for field in fields if field.sql_type != "jsonb"], row)
    return [_cell(row[field.name] if field.sql_type == "jsonb" else values[field.name]) for field in fields]


def _cell(value: Any) -> Cell:  # noqa: ANN401 - any JSON value
    if value is None:
        return Cell(None)
    text = value if isinstance(value, str) else to_json(value).decode()
    return Cell(text) if len(text) <= MAX_SHOWN else Cell(_cut(text, MAX_SHOWN), _cut(text, MAX_TITLE))


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + _ELLIPSIS
