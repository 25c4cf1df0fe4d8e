"""Rows with their results as CSV, XLSX and JSON Lines."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Protocol

from classification_service.jobs.models import Cell, Format, Layout, Outcome, Row
from classification_service.jobs.tables.defusing import defused
from classification_service.jobs.tables.json_lines import parse
from classification_service.jobs.tables.text import encode
from classification_service.jobs.tables.workbook import WorkbookWriter

MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl",
}

type _Cells = list[Cell | None]


class Writer(Protocol):
    """Writes a table in parts: its `head`, rows, and its `end`."""

    def head(self) -> bytes:
        """What comes before the rows."""

    def rows(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> bytes:
        """Rows, with the outcome of each."""

    def end(self) -> bytes:
        """What comes behind the rows."""


def open_writer(written: Format, layout: Layout, names: Sequence[str]) -> Writer:
    """A writer of that format for rows of a file of that layout; `names` are those of the columns of results."""
    match written:
        case "csv":
            return _CsvWriter(layout, names)
        case "xlsx":
            return _XlsxWriter(layout, names)
        case "jsonl":
            return _JsonLinesWriter(layout, names)


def _cells_of(row: Row, layout: Layout, outcome: Outcome, names: Sequence[str]) -> _Cells:
    """The cells of a row: those below the header, the results, and those that the header has no column for."""
    width = len(layout.columns)
    cells = _from_json(row, layout) if layout.format == "jsonl" else list(row.cells)
    padding: _Cells = [""] * (width - len(cells))
    results: _Cells = [*outcome.values, _json(outcome.features or None)]
    return [*cells[:width], *padding, *results[: len(names)], *cells[width:]]


def _from_json(row: Row, layout: Layout) -> _Cells:
    """The members in the order of the columns; what is no object is one cell behind them."""
    try:
        members = parse(row.source)
    except ValueError:
        return [*[""] * len(layout.columns), row.source] if row.source else []
    values = (members.get(name, "") for name in layout.columns)
    return [value if isinstance(value, str | int | float) else _json(value) for value in values]


def _json(value: object) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _head_rows(layout: Layout, names: Sequence[str]) -> list[_Cells]:
    header = layout.header or layout.columns
    return [*(list(cells) for cells in layout.preamble), [*header, *names]]


class _CsvWriter:
    """CSV in UTF-8 with the delimiter of the file, and a byte order mark unless the file was plain UTF-8 itself."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        self._layout = layout
        self._names = names
        self._head = _head_rows(layout, names)
        self._restored = (layout.encoding or "").startswith("utf-8")
        self._mark = b"" if layout.encoding == "utf-8" else b"\xef\xbb\xbf"

    def head(self) -> bytes:
        return self._mark + self._encoded(self._head)

    def rows(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> bytes:
        pairs = zip(rows, outcomes, strict=True)
        return self._encoded([_cells_of(row, self._layout, outcome, self._names) for row, outcome in pairs])

    def end(self) -> bytes:
        return b""

    def _encoded(self, records: Sequence[_Cells]) -> bytes:
        content = io.StringIO(newline="")
        writer = csv.writer(content, delimiter=self._layout.delimiter or ",", lineterminator="\n")
        writer.writerows([[_csv_cell(cell) for cell in cells] for cells in records])
        return encode(content.getvalue(), restored=self._restored)


def _csv_cell(cell: Cell | None) -> Cell | None:
    if isinstance(cell, str):
        return defused(cell) if cell else cell
    return str(cell).upper() if isinstance(cell, bool) else cell


class _XlsxWriter:
    """XLSX. Its texts are never computed, as they are no formulas."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        self._layout = layout
        self._names = names
        self._head = _head_rows(layout, names)
        self._workbook = WorkbookWriter()

    def head(self) -> bytes:
        return self._workbook.write(self._head)

    def rows(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> bytes:
        pairs = zip(rows, outcomes, strict=True)
        return self._workbook.write([_cells_of(row, self._layout, outcome, self._names) for row, outcome in pairs])

    def end(self) -> bytes:
        return self._workbook.end()


class _JsonLinesWriter:
    """JSON Lines. A line that is an object is left as it is, with the results behind its members."""

    def __init__(self, layout: Layout, names: Sequence[str]) -> None:
        self._layout = layout
        self._names = names
        self._restored = (layout.encoding or "").startswith("utf-8")

    def head(self) -> bytes:
        return b""

    def rows(self, rows: Sequence[Row], outcomes: Sequence[Outcome]) -> bytes:
        lines = [self._line(row, outcome) for row, outcome in zip(rows, outcomes, strict=True)]
        return encode("".join(lines), restored=self._restored)

    def end(self) -> bytes:
        return b""

    def _line(self, row: Row, outcome: Outcome) -> str:
        values = zip(self._names, [*outcome.values, outcome.features], strict=False)
        results = {name: value for name, value in values if value is not None and value != ""}
        added = json.dumps(results, ensure_ascii=False)
        if row.source and not row.fault:
            return _joined(row.source, added)
        members = {"line": row.source} if row.source else self._members(row)
        return json.dumps({**members, **results}, ensure_ascii=False) + "\n"

    def _members(self, row: Row) -> dict[str, Cell]:
        surplus = range(len(self._layout.columns) + 1, len(row.cells) + 1)
        names = [*self._layout.columns, *(f"column {number}" for number in surplus)]
        return dict(zip(names, row.cells, strict=False))


def _joined(line: str, added: str) -> str:
    """The object on a line with the members of another one behind its own."""
    members = line[:-1].rstrip()
    comma = "" if members.endswith("{") else ", "
    return f"{members}{comma}{added[1:]}\n"
