"""Which kind of table a file is, by its first bytes."""

import codecs
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Protocol

from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import Layout, Reading, Row
from classification_service.jobs.tables.delimited import DelimitedTable
from classification_service.jobs.tables.json_lines import JsonLinesTable
from classification_service.jobs.tables.sheet import SheetTable

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_GZIP = b"\x1f\x8b"
_START = 4096


class Table(Protocol):
    """A table in a file that can be read more than once. Its methods raise TableFileError."""

    layout: Layout

    def rows(self) -> Iterator[Row]:
        """The rows below the header, from the first."""


def open_table(file: BinaryIO, wanted: Sequence[str], reading: Reading) -> Table:
    """The table in a file, which must have the columns `wanted`; raises TableFileError."""
    file.seek(0)
    start = file.read(_START)
    if not start:
        raise TableFileError("The file is empty. Send CSV, JSON Lines or XLSX.")
    if start.startswith(_OLD_EXCEL):
        raise TableFileError("The file is an Excel workbook of before 2007 (XLS), or has a password. Save it as XLSX.")
    if start.startswith(_GZIP):
        raise TableFileError("The file is compressed by gzip. Send it unpacked.")
    if start.startswith(_ZIP):
        return SheetTable(file, wanted, reading)
    return _text_table(start)(file, wanted, reading)


def _text_table(start: bytes) -> type[DelimitedTable | JsonLinesTable]:
    plain = start.removeprefix(codecs.BOM_UTF8).replace(b"\0", b"").lstrip(b"\xff\xfe \t\r\n")
    if plain.startswith(b"{"):
        return JsonLinesTable
    if plain.startswith(b"[") and plain[1:].lstrip().startswith(b"{"):
        raise TableFileError(
            "The file is a JSON array. Send JSON Lines: each object on a line of its own, without the array."
        )
    return DelimitedTable
