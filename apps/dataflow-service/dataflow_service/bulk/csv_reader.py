"""Rows of CSV (RFC 4180) in UTF-8: a header with the names of fields, then a row in each record."""

import csv
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_service.bulk.lines import MAX_LINE_BYTES, read_lines
from dataflow_service.bulk.readers import TOO_LONG, Batch, decode_json
from dataflow_service.records.errors import MAX_FAULTS, Fault, InvalidRowError
from dataflow_service.records.parsing import BODY, Place
from dataflow_service.registry.model import Field, Model
from nexus_chassis import strict_json
from nexus_chassis.strict_json import InvalidJsonError

TEXTS = frozenset({"text", "numeric", "timestamptz", "date", "uuid"})
"""Types whose values are the text of a cell; those of others are its JSON."""

_SCALARS = frozenset({"boolean", "bigint", "double precision"})
_DELIMITERS = ",;\t|"
_UNFINISHED = "unexpected end of data"  # csv's text for a quoted cell whose end is not there yet

type _Cells = Sequence[str | None]


async def csv_rows(parts: AsyncIterator[bytes], model: Model, names: Collection[str]) -> AsyncGenerator[Batch]:
    """Yield the rows of CSV, whose header may have the fields `names`.

    Raises:
        InvalidRowError: The header is missing or has other fields.
    """
    reader = _Reader(model, names)
    async for lines in read_lines(parts):
        yield reader.read(lines)
    yield reader.end()


@dataclass(frozen=True, slots=True)
class _Unreadable:
    reason: str


class _Reader:
    """Reads records, of which one may begin in one block of lines and end in another."""

    def __init__(self, model: Model, names: Collection[str]) -> None:
        self._model = model
        self._names = names
        self._columns: Sequence[Field] = ()
        self._delimiter = ""
        self._begun: list[str] = []
        self._line = 1  # where the record that has begun is
        self._rows = 0

    def read(self, lines: Sequence[bytes]) -> Batch:
        """Return the rows that end in a block of lines."""
        texts, reason = _decoded(lines)
        if self._line == 1 and texts and not self._begun:
            texts[0] = texts[0].removeprefix("\ufeff")  # a byte order mark, which spreadsheets write
        records = list(self._records(texts, last=False))
        if reason is not None:  # the last record: a row with a fault ends the request
            records.append((self._line + len(self._begun), _Unreadable(reason)))
        return self._batch(records)

    def end(self) -> Batch:
        """Return the row that has begun, if any."""
        batch = self._batch(list(self._records([], last=True)))
        if not self._columns:
            raise InvalidRowError([Fault(BODY, "is empty; the first line should have the names of fields", 1)])
        return batch

    def _batch(self, records: list[tuple[int, _Cells | _Unreadable]]) -> Batch:
        if records and not self._columns:
            self._columns = self._header(records.pop(0)[1])
        first, self._rows = self._rows, self._rows + len(records)
        return Batch([cells for _, cells in records], self._document, first, [line for line, _ in records])

    def _records(self, texts: Sequence[str], *, last: bool) -> Iterator[tuple[int, _Cells | _Unreadable]]:
        """Yield records, each with its line, and keep what has not ended."""
        lines, done = [*self._begun, *texts], 0
        if lines and not self._delimiter:
            self._delimiter = next((character for character in _DELIMITERS if character in lines[0]), ",")
        reader = csv.reader(lines, delimiter=self._delimiter or ",", quoting=csv.QUOTE_NOTNULL, strict=True)
        try:
            for cells in reader:
                yield self._line + done, cells
                done = reader.line_num
        except csv.Error as error:
            if last or str(error) != _UNFINISHED:
                yield self._line + done, _Unreadable(f"cannot be read as CSV: {error}")
                done = len(lines)
        self._begun = lines[done:]
        self._line += done
        if sum(map(len, self._begun)) > MAX_LINE_BYTES:
            yield self._line, _Unreadable(TOO_LONG)

    def _header(self, cells: _Cells | _Unreadable) -> list[Field]:
        if isinstance(cells, _Unreadable):
            raise InvalidRowError([Fault(BODY, cells.reason, 1)])
        if faults := [Fault(BODY, text, 1) for text in self._header_faults(cells)]:
            raise InvalidRowError(faults[:MAX_FAULTS])
        by_name = {field.name: field for field in self._model.fields}
        return [by_name[str(name)] for name in cells]

    def _header_faults(self, cells: _Cells) -> Iterator[str]:
        known = ", ".join(field.name for field in self._model.fields if field.name in self._names)
        seen: set[str | None] = set()
        for name in cells or [None]:
            if name not in self._names:
                yield f"has the column {(name or '')[:100]!r}; the columns may be {known}"
            elif name in seen:
                yield f"has the column {name!r} more than once; name a field once"
            seen.add(name)

    def _document(self, cells: _Cells | _Unreadable, place: Place) -> dict[str, Any]:
        """Return a record as an object. An empty cell is null, or not sent where the field takes no null."""
        if isinstance(cells, _Unreadable):
            raise InvalidRowError([Fault(place, cells.reason)])
        cells = cells or [None]
        if len(cells) != len(self._columns):
            text = f"should have {len(self._columns)} cells, as the header; found {len(cells)}"
            raise InvalidRowError([Fault(place, text)])
        return {
            field.name: None if cell is None else _value(field, cell, place)
            for field, cell in zip(self._columns, cells, strict=True)
            if cell is not None or field.nullable
        }


def _value(field: Field, cell: str, place: Place) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value of a cell; one that is none is left to the rules of the field."""
    if field.sql_type in TEXTS:
        return cell
    if field.sql_type not in _SCALARS:
        return decode_json(cell, (*place, field.name))
    try:
        return strict_json.loads(cell, decimals=True)
    except InvalidJsonError:
        return cell


def _decoded(lines: Sequence[bytes]) -> tuple[list[str], str | None]:
    """Return the text of lines, with line feeds, up to one that cannot be read, and what is wrong with that."""
    texts: list[str] = []
    for line in lines:
        if len(line) > MAX_LINE_BYTES:
            return texts, TOO_LONG
        try:
            texts.append(line.decode() + "\n")
        except UnicodeDecodeError as error:
            return texts, f"is not UTF-8: byte {error.start} of the line is 0x{line[error.start]:02x}"
    return texts, None
