"""The first visible sheet of an XLSX workbook."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, override

from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import Cell, Reading, Row
from classification_service.jobs.tables.dates import Dates
from classification_service.jobs.tables.delimited import checked, without_blank_end
from classification_service.jobs.tables.header import layout_of
from classification_service.taxonomies.importers.archives import Archive
from classification_service.taxonomies.importers.errors import TaxonomyFileError
from classification_service.taxonomies.importers.xlsx import WORKBOOK, SharedStrings, Sheet, first_sheet, sheet_rows

MAX_ROWS = 1_048_576
"""Rows of one sheet, by Excel's own limit."""

_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_EXACT = 2**53  # whole numbers below it are exact in a cell


class SheetTable:
    """The rows of a workbook's first visible sheet. `wanted` are columns that it must have; raises TableFileError."""

    def __init__(self, file: BinaryIO, wanted: Sequence[str], reading: Reading) -> None:
        try:
            self._archive = Archive(file)
            if WORKBOOK not in self._archive.names:
                raise TableFileError(
                    "The file is a zip archive without a workbook. Send CSV, JSON Lines or XLSX itself."
                )
            self._path = first_sheet(self._archive)
            self._strings = SharedStrings.of(self._archive)
            self._dates = Dates(self._archive)
        except TaxonomyFileError as error:
            raise _refused(error) from None
        self.layout = layout_of("xlsx", self._all(), wanted, reading.reserved)

    def rows(self) -> Iterator[Row]:
        """The rows below the header, blank ones between others included."""
        for row in without_blank_end(self._all()):
            if row.number > self.layout.header_row:
                yield checked(row, len(self.layout.columns))

    def _all(self) -> Iterator[Row]:
        sheet = _ProductSheet(self._path, self._strings, self._dates)
        try:
            yield from _without_gaps(sheet_rows(self._archive, self._path, sheet))
        except TaxonomyFileError as error:
            raise _refused(error) from None


def _refused(error: TaxonomyFileError) -> TableFileError:
    return TableFileError(f"The workbook cannot be read. {error}.".replace("..", "."))


def _without_gaps(rows: Iterable[tuple[int, list[Cell]]]) -> Iterator[Row]:
    """The rows, with those that the file leaves out because they are empty."""
    last = 0
    for number, cells in rows:
        if number > MAX_ROWS:
            raise TableFileError(f"The sheet has the row {number}; a sheet has at most {MAX_ROWS}.")
        yield from (Row(missing) for missing in range(last + 1, number))
        yield Row(number, cells if any(str(cell).strip() for cell in cells) else [])
        last = number


class _ProductSheet(Sheet[Cell]):
    """Keeps numbers and truth values as such, and the text of an error as it is shown. Dates are texts."""

    empty = ""

    def __init__(self, name: str, strings: SharedStrings, dates: Dates) -> None:
        super().__init__(name, strings)
        self._dates = dates

    @override
    def converted(self, kind: str, value: str) -> Cell:
        match kind:
            case "n":
                return self._value_of(value)
            case "b":
                return value == "1"
            case "s":
                return _plain(self.shared(value))
            case _:
                return _plain(value)

    def _value_of(self, value: str) -> Cell:
        try:
            number = float(value)
        except ValueError:
            return value
        if not math.isfinite(number):
            return value
        if self.style and (date := self._dates.text(self.style, number)) is not None:
            return date
        return int(number) if number.is_integer() and abs(number) < _EXACT else number


def _plain(text: str) -> str:
    """The text, with the characters that XML lacks (22.9.2.19 ST_Xstring)."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
