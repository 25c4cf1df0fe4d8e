"""Tables whose header names their columns, after rows of notices that may come before it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from classification_service.taxonomies.importers.errors import fault
from classification_service.taxonomies.importers.records import clean

MAX_NOTICES = 50
"""Rows before the header; official files have about ten."""

_SHOWN = 20
_LANGUAGE = re.compile(r" [a-z]{2}$")

type Columns = Mapping[str, Sequence[str]]
"""Names of a column in headers, by what the readers call it."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table: its cells by what the readers call the columns; those that the table lacks are empty."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


class Table:
    """The rows below a header. `columns` are those of the known ones that it has.

    `layouts` are sets of columns, one of which must be there whole. Raises TaxonomyFileError.
    """

    def __init__(
        self, rows: Iterable[tuple[int, list[str]]], name: str, columns: Columns, layouts: Sequence[frozenset[str]]
    ) -> None:
        self._rows = iter(rows)
        self._name = name
        self._known = {_normal(alias): column for column, aliases in columns.items() for alias in aliases}
        self._layouts = layouts
        self._labels = {column: aliases[0] for column, aliases in columns.items()}
        self._places = self._find_header()
        self.columns = frozenset(self._places)

    def _find_header(self) -> dict[str, int]:
        seen: list[str] = []
        for count, (number, cells) in enumerate(self._rows, 1):
            places = self._known_places(cells)
            if any(layout <= places.keys() for layout in self._layouts):
                self._refuse_doubled(number, places)
                return {column: found[0] for column, found in places.items()}
            seen = max(seen, [shown for cell in cells if (shown := clean(cell)[:60])], key=len)
            if count > MAX_NOTICES:
                break
        wanted = " or ".join(", ".join(self._labels[column] for column in sorted(layout)) for layout in self._layouts)
        found = ", ".join(map(repr, seen[:_SHOWN])) or "no columns at all"
        raise fault(self._name, f"it has no header with the columns {wanted} in its first rows. Found: {found}")

    def _known_places(self, cells: Sequence[str]) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for place, cell in enumerate(cells):
            if (column := self._column(cell)) is not None:
                places.setdefault(column, []).append(place)
        return places

    def _column(self, cell: str) -> str | None:
        """What a cell of the header names; its name may end with a language, as in GROUPDESC_EN."""
        name = _normal(cell)
        return self._known.get(name) or self._known.get(_LANGUAGE.sub("", name))

    def _refuse_doubled(self, number: int, places: Mapping[str, list[int]]) -> None:
        if doubled := [self._labels[column] for column, found in places.items() if len(found) > 1]:
            detail = f"the header has more than one column {', '.join(doubled)}. Remove all but one"
            raise fault(f"{self._name}, line {number}", detail)

    def __iter__(self) -> Iterator[Line]:
        for number, cells in self._rows:
            found = {column: cells[place] for column, place in self._places.items() if place < len(cells)}
            if any(cell.strip() for cell in found.values()):
                yield Line(number, found)


def _normal(name: str) -> str:
    """A column's name for comparison: without accents, punctuation and case."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]+", " ", plain).strip()
