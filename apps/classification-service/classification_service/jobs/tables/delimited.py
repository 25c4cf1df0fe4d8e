"""CSV as people have it: delimiter and encoding found, and a row that cannot be read kept beside the others."""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import BinaryIO

from classification_service.jobs.models import Delimiter, Reading, Row
from classification_service.jobs.tables import text
from classification_service.jobs.tables.header import (
    MAX_PREAMBLE,
    has_columns,
    layout_of,
)

_DELIMITERS: tuple[Delimiter, ...] = (",", ";", "\t", "|")
_UNCLOSED = "a quote is opened and not closed"


class DelimitedTable:
    """The rows of CSV. `wanted` are columns that it must have; raises TableFileError."""

    def __init__(self, file: BinaryIO, wanted: Sequence[str], reading: Reading) -> None:
        self._file = file
        sample = _sample(file)
        encoding = text.encoding_of(sample, reading.encoding)
        self._encoding = encoding
        delimiter = self._delimiter = reading.delimiter or self._find_delimiter(wanted)
        rows = self._records(delimiter)
        self.layout = layout_of("csv", rows, wanted, reading.reserved, encoding=encoding, delimiter=delimiter)

    def rows(self) -> Iterator[Row]:
        """The rows below the header, blank ones between others included."""
        for row in without_blank_end(self._records(self._delimiter)):
            if row.number > self.layout.header_row:
                yield row if row.fault else checked(row, len(self.layout.columns))

    def _records(self, delimiter: Delimiter) -> Iterator[Row]:
        return records(text.lines(text.open_text(self._file, self._encoding)), delimiter)

    def _find_delimiter(self, wanted: Sequence[str]) -> Delimiter:
        """The one that makes a header with the wanted columns, else that which makes most rows of equal length."""
        samples = {delimiter: self._first_rows(delimiter) for delimiter in _DELIMITERS}
        return max(_DELIMITERS, key=lambda delimiter: _score(samples[delimiter], wanted))

    def _first_rows(self, delimiter: Delimiter) -> list[Row]:
        return list(islice(self._records(delimiter), MAX_PREAMBLE))


def _sample(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(text.SAMPLE_BYTES)


def _score(rows: Sequence[Row], wanted: Sequence[str]) -> tuple[bool, int, int]:
    """The better the rows fit: a header with the wanted columns, as many as possible, and rows of its length."""
    header = next((row for row in rows if has_columns(row, wanted)), None)
    if header is not None:
        length = len(header.cells)
        return True, length, sum(1 for row in rows if len(row.cells) == length)
    lengths = Counter(len(row.cells) for row in rows if len(row.cells) > 1 and not row.fault)
    return False, max((count * (length - 1) for length, count in lengths.items()), default=0), 0


def records(numbered: Iterable[tuple[int, str]], delimiter: Delimiter) -> Iterator[Row]:
    """The records of lines. One that is no CSV is a row with its first line as one cell and a fault.

    Reading goes on with the line after it, so that a quote which is not closed takes no other rows with it.
    """
    csv.field_size_limit(text.MAX_ROW)
    lines = _Lines(numbered)
    while lines.has_more():
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                yield Row(lines.first, list(cells))
                lines.accept()
        except csv.Error as error:
            number, line = lines.go_back()
            yield Row(number, [line.rstrip("\r\n")], fault=f"the row is not readable as CSV: {_reason(error)}")


def _reason(error: csv.Error) -> str:
    reason = str(error)
    return _UNCLOSED if "unexpected end of data" in reason or "field larger" in reason else reason


class _Lines:
    """The lines that a record is made of, which can be read once more."""

    def __init__(self, numbered: Iterable[tuple[int, str]]) -> None:
        self._source = iter(numbered)
        self._again: deque[tuple[int, str]] = deque()
        self._begun: list[tuple[int, str]] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._source)
        self._begun.append(line)
        self._size += len(line[1])
        if self._size > text.MAX_ROW:
            raise csv.Error(_UNCLOSED)
        return line[1]

    @property
    def first(self) -> int:
        """The number of the line on which the record begins."""
        return self._begun[0][0]

    def has_more(self) -> bool:
        """Whether there is another line."""
        if not self._again and (line := next(self._source, None)) is not None:
            self._again.append(line)
        return bool(self._again)

    def accept(self) -> None:
        """The record is complete."""
        self._begun.clear()
        self._size = 0

    def go_back(self) -> tuple[int, str]:
        """The first line of the record; those after it are read again."""
        first, *others = self._begun
        self._again.extendleft(reversed(others))
        self.accept()
        return first


def checked(row: Row, columns: int) -> Row:
    """The row, with its fault where it has one."""
    if row.is_blank or not any(str(cell).strip() for cell in row.cells):
        return Row(row.number, row.cells, fault="the row is empty")
    if len(row.cells) > columns:
        fault = f"the row has {len(row.cells)} cells and the header {columns}; those beyond are behind the results"
        return Row(row.number, row.cells, fault=fault)
    for cell in row.cells:
        if isinstance(cell, str) and not cell.isascii() and (byte := text.undecodable(cell)) is not None:
            return Row(
                row.number, row.cells, fault=f"the row is not in the file's encoding: it has the byte {byte:#04x}"
            )
    return row


def without_blank_end(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows up to the last one that is not blank."""
    blank: list[int] = []
    for row in rows:
        if row.is_blank:
            blank.append(row.number)
            continue
        yield from (Row(number) for number in blank)
        blank.clear()
        yield row
