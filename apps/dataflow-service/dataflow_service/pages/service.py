"""What the pages show of models and their rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from pydantic_core import to_json

from dataflow_service.pages import examples
from dataflow_service.pages.cells import Cell, cells
from dataflow_service.pages.examples import API, Example
from dataflow_service.records import query_parsing
from dataflow_service.records.encoding import row_values
from dataflow_service.records.query import Query, by_id
from dataflow_service.records.repository import Row
from dataflow_service.records.service import RecordService
from dataflow_service.registry.model import Model
from nexus_chassis.principal import Principal

MAX_ROWS = 20
"""Rows on a page."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """A row as texts, and its address at the gateway, without the slash at its beginning."""

    address: str
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class ShownRows:
    """Rows, the newest first, or those that a search finds; `next` is the `after` of the following ones, None at the end."""

    fields: Sequence[str]
    rows: Sequence[ShownRow]
    next: str | None


class ModelPages:
    """Reads what the pages show. `gateway` is the gateway's public address."""

    def __init__(self, records: RecordService, gateway: str) -> None:
        self._records = records
        self._gateway = gateway

    def examples(self, model: Model) -> list[Example]:
        """Return requests to copy."""
        return examples.examples(model, self._gateway)

    async def rows(self, principal: Principal, model: Model, search: str | None, after: str | None) -> ShownRows:
        """Return the newest rows of a model, or those that match a search best, or what follows the page before.

        Raises:
            InvalidQueryError: `after` is no `next` of such a page, or the search is none.
        """
        await self._records.admit(model)
        page = await self._records.read_page(principal, model, _query(model, search, after))
        rows = [ShownRow(_address(model, row), cells(page.fields, row)) for row in page.rows]
        return ShownRows([field.name for field in page.fields], rows, page.next)


def _query(model: Model, search: str | None, after: str | None) -> Query:
    order = examples.newest_first(model) if search is None else None
    return query_parsing.of_address(
        model, filter_text=None, fields=None, order=order, after=after, limit=MAX_ROWS, search=search
    )


def _address(model: Model, row: Row) -> str:
    """A filter, because a text id with a slash or dots would be no segment of a path."""
    wanted = to_json(row_values([by_id(model).field], row)).decode()
    return f"{API.removeprefix('/')}/{model.path}?filter={quote(wanted, safe='')}"
