"""A look at a file before it is classified."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from classification_service.jobs.models import Cell, Layout, Reading, Row
from classification_service.jobs.tables.json_lines import parse
from classification_service.jobs.tables.reading import open_table
from classification_service.jobs.tables.text import guess_encoding, is_utf8

ROWS = 10
_SAMPLE_ROWS = 100
_NAMES = (
    *("text", "name", "title", "description", "product", "item", "bezeichnung", "beschreibung", "artikel", "produkt"),
    *("nombre", "descripci", "producto", "nom", "libell", "désignation", "produit", "nome", "descri"),
)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file looks like. `certain` is False where its encoding is a guess."""

    layout: Layout
    certain: bool
    text_columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    faults: Sequence[Row]


def preview(file: BinaryIO, reading: Reading) -> Preview:
    """What would be read of a file; raises TableFileError."""
    guessed = _guess(file) if reading.encoding is None else None
    table = open_table(file, (), Reading(guessed or reading.encoding, reading.delimiter))
    rows = list(islice(table.rows(), _SAMPLE_ROWS))
    cells = [_cells(row, table.layout) for row in rows]
    return Preview(
        table.layout,
        guessed is None,
        _text_columns(table.layout.columns, cells),
        cells[:ROWS],
        [row for row in rows if row.fault],
    )


def _guess(file: BinaryIO) -> str | None:
    """What a text that says nothing about its encoding, and is not in UTF-8, may be in."""
    file.seek(0)
    sample = file.read(64 * 1024)
    if 0 in sample or is_utf8(sample) or sample.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b")):
        return None
    return guess_encoding(sample)


def _cells(row: Row, layout: Layout) -> list[Cell]:
    if not row.source:
        return row.cells
    if row.fault:
        return [row.source]
    members = parse(row.source)
    values = (members.get(name, "") for name in layout.columns)
    return [value if isinstance(value, str | int | float) else str(value) for value in values]


def _text_columns(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """The column with the longest texts among those that are called like names of products, else among all."""
    lengths = {name: _length(rows, place) for place, name in enumerate(columns)}
    called = [name for name in columns if name.casefold().startswith(_NAMES) and lengths[name]]
    likely = called or [name for name in columns if lengths[name]]
    return [max(likely, key=lengths.__getitem__)] if likely else []


def _length(rows: Sequence[Sequence[Cell]], place: int) -> int:
    cells = (row[place] for row in rows if place < len(row))
    return sum(len(cell) for cell in cells if isinstance(cell, str) and any(map(str.isalpha, cell)))
