"""JSON Lines: an object on each line."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, NoReturn

from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import Layout, Reading, Row
from classification_service.jobs.tables import text
from classification_service.jobs.tables.delimited import without_blank_end
from classification_service.jobs.tables.header import check_columns

MAX_COLUMNS = 200
_SAMPLE_ROWS = 1000


class JsonLinesTable:
    """The objects of JSON Lines, one in each row. `layout.columns` grows while the rows are read; raises TableFileError."""

    def __init__(self, file: BinaryIO, wanted: Sequence[str], reading: Reading) -> None:
        self._file = file
        self._reserved = frozenset(reading.reserved)
        file.seek(0)
        self._encoding = text.encoding_of(file.read(text.SAMPLE_BYTES), reading.encoding)
        self._names: dict[str, None] = {}
        self.layout = Layout(format="jsonl", columns=[], encoding=self._encoding)
        rows = list(islice(self.rows(), _SAMPLE_ROWS))
        if rows and all(row.fault for row in rows):
            raise TableFileError(
                f"The file has no JSON object on its first lines. Line {rows[0].number}: {rows[0].fault}."
            )
        check_columns(self.layout.columns, wanted, ())

    def rows(self) -> Iterator[Row]:
        """The rows."""
        lines = text.lines(text.open_text(self._file, self._encoding))
        rows = (Row(number, source=line.strip()) for number, line in lines)
        return (self._checked(row) for row in without_blank_end(rows))

    def _checked(self, row: Row) -> Row:
        """The row, with its fault where it has one."""
        if row.is_blank:
            return Row(row.number, fault="the row is empty")
        if (byte := text.undecodable(row.source)) is not None:
            fault = f"the row is not in the file's encoding: it has the byte {byte:#04x}"
            return Row(row.number, source=row.source, fault=fault)
        try:
            self._learn(parse(row.source))
        except ValueError as error:
            return Row(row.number, source=row.source, fault=str(error))
        return row

    def _learn(self, members: dict[str, Any]) -> None:
        if taken := self._reserved & members.keys():
            raise ValueError(f"the row has {', '.join(sorted(taken))} already, where results are written to")
        if members.keys() <= self._names.keys():
            return
        for name in members:
            if name not in self._names and len(self._names) == MAX_COLUMNS:
                raise ValueError(f"the row has {name[:100]!r}, and there are {MAX_COLUMNS} other names before it")
            self._names[name] = None
        self.layout.columns[:] = self._names


def parse(line: str) -> dict[str, Any]:
    """The members of the object on a line; raises ValueError that says what is wrong with it."""
    try:
        value = json.loads(line, object_pairs_hook=_members, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"the row is not valid JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("the row is nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("the row is no JSON object")  # noqa: TRY004  a fault of the file, not of the code
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the row has the member {doubled[:100]!r} twice")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"the row has {name}, which is no JSON")
