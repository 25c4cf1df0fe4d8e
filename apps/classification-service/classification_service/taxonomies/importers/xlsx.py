"""The first sheet of an XLSX workbook, row by row (ECMA-376 part 1, section 18.3).

Not by a library: python-calamine holds a grid of all rows and columns up to the last cell, which a file of 5 KB can place
in the last of 17 billion; openpyxl is not typed, and takes 28 s of CPU for UNSPSC, which this reads in 9 s.
"""

import posixpath
import re
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import override

from classification_service.taxonomies.importers.archives import Archive
from classification_service.taxonomies.importers.errors import fault
from classification_service.taxonomies.importers.safe_xml import (
    MAX_ELEMENT_BYTES,
    Element,
    SafeParser,
    chunks,
    elements,
)

type Row = tuple[int, list[str]]
"""The number of a row, from 1, and its cells; those that it leaves out are empty."""

WORKBOOK = "xl/workbook.xml"
MAX_COLUMNS = 200
_DIGITS = 8  # fewer than these has the number of a row
_MAX_SHARED_CHARACTERS = 128 * 1024 * 1024
_STRINGS = "xl/sharedStrings.xml"
_CELL = re.compile(r"([A-Z]{1,3})[0-9]+")
_WHOLE = re.compile(r"(-?[0-9]+)\.0+")


def first_sheet_rows(archive: Archive) -> Iterator[Row]:
    """The rows of the first sheet that is visible, all cells as texts; raises TaxonomyFileError."""
    path = first_sheet(archive)
    return sheet_rows(archive, path, _TextSheet(path, SharedStrings.of(archive)))


def sheet_rows[C](archive: Archive, path: str, sheet: "Sheet[C]") -> Iterator[tuple[int, list[C]]]:
    """The rows of the sheet at a path, as `sheet` converts its cells; raises TaxonomyFileError."""
    for chunk in chunks(archive.open(path)):
        sheet.feed(chunk)
        yield from sheet.rows
        sheet.rows.clear()


class SharedStrings:
    """The texts that cells refer to, packed: a list of a million takes twice the memory."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._content = bytearray()
        self._ends = array("Q", [0])
        for text in texts:
            self._content += text.encode(errors="surrogatepass")
            self._ends.append(len(self._content))

    @classmethod
    def of(cls, archive: Archive) -> "SharedStrings":
        """Those of a workbook; raises TaxonomyFileError."""
        return cls(_shared_strings(archive))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, place: int) -> str:
        return self._content[self._ends[place] : self._ends[place + 1]].decode(errors="surrogatepass")


class Sheet[C](SafeParser):
    """Collects the `rows` of a sheet; millions of cells pass, so that no elements are built of them.

    Subclasses convert the cells; `empty` is one that is left out, `style` the number of the format of the one that is read.
    """

    empty: C

    def __init__(self, name: str, strings: SharedStrings) -> None:
        super().__init__(name)
        self.rows: list[tuple[int, list[C]]] = []
        self._strings = strings
        self._number = 0
        self._started: int | None = None
        self._cells: list[C] = []
        self._reference = self._kind = self.style = ""
        self._value: list[str] | None = None
        self._readings = False

    @override
    def start(self, name: str, attributes: dict[str, str]) -> None:
        match name.rpartition(" ")[2]:
            case "c":
                self._reference = attributes.get("r", "")
                self._kind = attributes.get("t", "n")
                self.style = attributes.get("s", "")
                self._value = None
            case "v" | "is":
                self._value = []
            case "rPh":
                self._readings = True
            case "row":
                self._number = self._row_number(attributes.get("r", ""))
                self._cells = []
                self._started = self.parser.CurrentByteIndex

    @override
    def end(self, name: str) -> None:
        match name.rpartition(" ")[2]:
            case "c":
                if self._value:
                    self._add("".join(self._value))
                self._value = None
            case "rPh":
                self._readings = False
            case "row":
                self.rows.append((self._number, self._cells))
                self._started = None

    @override
    def text(self, text: str) -> None:
        if self._value is not None and not self._readings:
            self._value.append(text)

    @override
    def feed(self, chunk: bytes) -> None:
        super().feed(chunk)
        if self._started is not None and self.parser.CurrentByteIndex - self._started > MAX_ELEMENT_BYTES:
            raise fault(self.place(), f"the row has more than {MAX_ELEMENT_BYTES // 1024**2} MiB")

    @override
    def place(self) -> str:
        return f"row {self._number}"

    def _row_number(self, stated: str) -> int:
        number = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < _DIGITS else self._number + 1
        if number <= self._number:
            raise fault(self.name, f"row {stated} comes after row {self._number}: the file is damaged. Save it again")
        return number

    def _add(self, value: str) -> None:
        column = _column(self._reference, len(self._cells))
        if column >= MAX_COLUMNS:
            raise fault(self.place(), f"there is a cell in column {column + 1}; at most {MAX_COLUMNS} columns are read")
        if column > len(self._cells):
            self._cells.extend([self.empty] * (column - len(self._cells)))
        self._cells[column:] = [self.converted(self._kind, value)]

    def shared(self, value: str) -> str:
        """The shared text with that number."""
        if not (value.isascii() and value.isdigit()) or int(value) >= len(self._strings):
            raise fault(
                self.place(), f"it refers to the text {value[:20]!r}, which the file does not have: it is damaged"
            )
        return self._strings[int(value)]

    def converted(self, kind: str, value: str) -> C:
        """A cell of a type (18.18.11 ST_CellType) from the text of its value."""
        raise NotImplementedError


class _TextSheet(Sheet[str]):
    """Cells as texts; an error in one is refused."""

    empty = ""

    @override
    def converted(self, kind: str, value: str) -> str:
        if kind == "s":
            return self.shared(value)
        if kind == "e":
            raise fault(
                self.place(), f"a cell holds the error {value[:20]}. Correct the formula, or save the values alone"
            )
        if kind == "n" and (match := _WHOLE.fullmatch(value)) is not None:
            return match[1]
        return value


def _column(reference: str, default: int) -> int:
    """Number of the column of a cell such as AB7, from 0."""
    match = _CELL.fullmatch(reference)
    return default if match is None else _column_of(match[1])


@lru_cache(maxsize=1024)
def _column_of(letters: str) -> int:
    """Number of the column of letters such as AB, from 0."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


def _rich_text(item: Element) -> str:
    """The text of all runs, without readings of Asian characters (`rPh`)."""
    return "".join(
        child.text if child.tag == "t" else child.text_at("t") for child in item.children if child.tag in {"t", "r"}
    )


def _shared_strings(archive: Archive) -> Iterator[str]:
    if _STRINGS not in archive.names:
        return
    left = _MAX_SHARED_CHARACTERS
    for _, item in elements(archive.open(_STRINGS), _STRINGS, 1):
        yield (text := _rich_text(item))
        left -= len(text)
        if left < 0:
            raise fault(_STRINGS, f"it has more than {_MAX_SHARED_CHARACTERS // 1024**2} million characters of text")


def first_sheet(archive: Archive) -> str:
    """Path of the first sheet that is not hidden."""
    sheets = [
        sheet
        for around, sheet in elements(archive.open(WORKBOOK), WORKBOOK, 2)
        if around == ("workbook", "sheets") and sheet.attributes.get("state", "visible") == "visible"
    ]
    if not sheets:
        raise fault(WORKBOOK, "the workbook has no visible sheet")
    wanted = next((value for name, value in sheets[0].attributes.items() if name.endswith(" id")), "")
    relations = "xl/_rels/workbook.xml.rels"
    for _, relation in elements(archive.open(relations), relations, 1):
        if relation.attributes.get("Id") == wanted:
            return posixpath.normpath(posixpath.join("/xl", relation.attributes.get("Target", ""))).lstrip("/")
    raise fault(relations, f"the sheet {sheets[0].attributes.get('name', '')!r} has no file: the workbook is damaged")
