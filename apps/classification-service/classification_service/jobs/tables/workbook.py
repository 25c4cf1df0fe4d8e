"""XLSX (ECMA-376 part 1), written as a stream: nothing is kept but what was not taken yet."""

import io
import re
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import lru_cache
from typing import IO, override
from xml.sax.saxutils import escape

from classification_service.jobs.models import Cell
from classification_service.jobs.tables.defusing import defused

MAX_ROWS = 1_048_576
"""Rows of one sheet; those beyond are on further sheets, each with the rows at the head of the first."""

MAX_SHEET_BYTES = 1024**3
"""Bytes of one sheet before it is compressed: larger ones need an extension of the archive that not every program reads."""

MAX_CELL = 32_767
"""Characters of one cell; Excel reads no longer ones."""

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# The second format has quotePrefix: a text that looks like a formula stays a text when a person edits its cell.
_STYLES = (
    f'{_XML}<styleSheet xmlns="{_MAIN}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs><cellXfs count="2">'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_ESCAPED = re.compile(r"_x[0-9A-Fa-f]{4}_|[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]")
_TIME = (1980, 1, 1, 0, 0, 0)


class _Sink(io.RawIOBase):
    """Takes what is written until it is taken away."""

    def __init__(self) -> None:
        self._content = bytearray()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, content: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]  # what zipfile passes
        self._content += content
        return len(content)

    def take(self) -> bytes:
        """What was written since the last time."""
        content = bytes(self._content)
        self._content.clear()
        return content


class WorkbookWriter:
    """A workbook; the rows that are written first are at the head of each sheet."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        self._sheets = 0
        self._row = self._bytes = 0
        self._head: Sequence[Sequence[Cell | None]] | None = None
        self._open = ExitStack()
        self._sheet: IO[bytes] | None = None

    def write(self, rows: Sequence[Sequence[Cell | None]]) -> bytes:
        """Write rows; returns the bytes that are ready."""
        if self._head is None:
            self._head = rows
        for cells in rows:
            if self._sheet is None or self._row == MAX_ROWS or self._bytes > MAX_SHEET_BYTES:
                self._begin_sheet()
            self._write_row(cells)
        return self._sink.take()

    def end(self) -> bytes:
        """Complete the workbook; returns the rest of its bytes."""
        self._end_sheet()
        for name, content in _parts(self._sheets).items():
            self._zip.writestr(zipfile.ZipInfo(name, _TIME), content, zipfile.ZIP_DEFLATED)
        self._zip.close()
        return self._sink.take()

    def _begin_sheet(self) -> None:
        self._end_sheet()
        self._sheets += 1
        self._row = self._bytes = 0
        info = zipfile.ZipInfo(f"xl/worksheets/sheet{self._sheets}.xml", _TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        self._sheet = self._open.enter_context(self._zip.open(info, "w"))
        self._sheet.write(f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>'.encode())
        if self._sheets > 1:
            for cells in self._head or ():
                self._write_row(cells)

    def _end_sheet(self) -> None:
        if self._sheet is not None:
            self._sheet.write(b"</sheetData></worksheet>")
        self._open.close()
        self._sheet = None

    def _write_row(self, cells: Sequence[Cell | None]) -> None:
        self._row += 1
        if self._sheet is not None:
            content = "".join(_cell(cell, f"{_letters(place)}{self._row}") for place, cell in enumerate(cells))
            self._bytes += self._sheet.write(f'<row r="{self._row}">{content}</row>'.encode())


def _cell(cell: Cell | None, reference: str) -> str:
    match cell:
        case None | "":
            return ""
        case bool():
            return f'<c r="{reference}" t="b"><v>{int(cell)}</v></c>'
        case int() | float():
            return f'<c r="{reference}"><v>{cell!r}</v></c>'
        case text:
            style = ' s="1"' if defused(text) != text else ""
            return f'<c r="{reference}"{style} t="inlineStr"><is><t xml:space="preserve">{_escaped(text)}</t></is></c>'


def _escaped(text: str) -> str:
    """The text as XML; characters that XML lacks, and what looks like one, as _xHHHH_ (22.9.2.19 ST_Xstring)."""
    shortened = text[:MAX_CELL]
    if _ESCAPED.search(shortened):
        shortened = _ESCAPED.sub(_code, shortened)
    return escape(shortened)


def _code(match: re.Match[str]) -> str:
    found = match[0]
    if len(found) > 1:
        return f"_x005F{found}"
    return "\ufffd" if "\ud800" <= found <= "\udfff" else f"_x{ord(found):04X}_"


@lru_cache(maxsize=1024)
def _letters(place: int) -> str:
    """The letters of a column, from 0."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _parts(sheets: int) -> dict[str, str]:
    """The parts of a workbook apart from its sheets."""
    numbers = range(1, sheets + 1)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_OFFICE}.worksheet+xml"/>' for n in numbers
    )
    listed = "".join(f'<sheet name="Results {n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    related = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n in numbers
    )
    styles = f'<Relationship Id="rId{sheets + 1}" Type="{_RELATIONS}/styles" Target="styles.xml"/>'
    document = f'<Relationship Id="rId1" Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/>'
    return {
        "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_OFFICE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_OFFICE}.styles+xml"/>{types}</Types>',
        "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{document}</Relationships>',
        "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{related}{styles}</Relationships>',
        "xl/styles.xml": _STYLES,
    }
