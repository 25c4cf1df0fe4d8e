"""What nodes return: the same rows as JSON for HTTP, and as Python values for workflows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic_core import to_json, to_jsonable_python

from dataflow_service.records import encoding
from dataflow_service.records.repository import Row
from dataflow_service.records.service import Page
from dataflow_service.registry.model import Model


class Outcome(Protocol):
    """The result of a node."""

    def json(self) -> bytes:
        """Return it as JSON, rows with the bytes that the endpoints of rows answer."""

    def values(self) -> dict[str, Any]:
        """Return it as the outputs of a node."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """One row: its fields are the outputs."""

    model: Model
    row: Row

    def json(self) -> bytes:
        """Return the row."""
        return encoding.row_json(self.model, self.row)

    def values(self) -> dict[str, Any]:
        """Return the fields of the row."""
        return encoding.row_values(self.model.fields, self.row)


@dataclass(frozen=True, slots=True)
class UpsertOutcome:
    """One row, and whether it is new."""

    model: Model
    row: Row
    created: bool

    def json(self) -> bytes:
        """Return `created` and `record`."""
        return b'{"created":%b,"record":%b}' % (to_json(self.created), encoding.row_json(self.model, self.row))

    def values(self) -> dict[str, Any]:
        """Return `created` and `record`."""
        return {"created": self.created, "record": encoding.row_values(self.model.fields, self.row)}


@dataclass(frozen=True, slots=True)
class PageOutcome:
    """A page of rows."""

    page: Page

    def json(self) -> bytes:
        """Return `items` and `next`."""
        return encoding.page_json(self.page)

    def values(self) -> dict[str, Any]:
        """Return `items` and `next`."""
        items = [encoding.row_values(self.page.fields, row) for row in self.page.rows]
        return {"items": items, "next": self.page.next}


@dataclass(frozen=True, slots=True)
class NumberOutcome:
    """How many rows something was done to, and their ids."""

    name: str
    ids: Sequence[Any]

    def json(self) -> bytes:
        """Return the number and `ids`."""
        return to_json({self.name: len(self.ids), "ids": self.ids})

    def values(self) -> dict[str, Any]:
        """Return the number and `ids`."""
        return {self.name: len(self.ids), "ids": to_jsonable_python(self.ids)}


@dataclass(frozen=True, slots=True)
class PlainOutcome:
    """Other results."""

    content: dict[str, Any]

    def json(self) -> bytes:
        """Return the content."""
        return to_json(self.content)

    def values(self) -> dict[str, Any]:
        """Return the content."""
        return dict(to_jsonable_python(self.content))
