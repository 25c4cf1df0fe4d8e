"""Rows as NDJSON and CSV. NDJSON has the bytes of the row's own endpoint on each line."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pydantic_core import to_json

from dataflow_service.bulk.schemas import CSV, NDJSON
from dataflow_service.records.encoding import row_encoder
from dataflow_service.records.repository import Row
from dataflow_service.registry.model import Field

_READ_AS_TEXT = frozenset({"text", "numeric", "jsonb"})


def _nothing() -> bytes:
    return b""


@dataclass(frozen=True, slots=True)
class Format:
    """How rows are written: what comes before them, what they become, and what comes behind all of them."""

    media_type: str
    head: bytes
    encode: Callable[[Sequence[Row]], bytes]
    end: Callable[[], bytes] = _nothing


def ndjson(fields: Sequence[Field], *, texts: bool = False) -> Format:
    """Return the format with a JSON object on each line; with `texts`, 64 bit integers are strings."""
    encode = row_encoder(fields, texts=texts)
    return Format(NDJSON, b"", lambda rows: b"".join([encode(row) + b"\n" for row in rows]))


def csv_format(fields: Sequence[Field]) -> Format:
    """Return the format with a header and a record for each row. A null is an empty cell; every other value is quoted."""
    head = _records([[field.name for field in fields]])
    return Format(f"{CSV}; charset=utf-8; header=present", head, partial(_csv_rows, fields))


def _csv_rows(fields: Sequence[Field], rows: Sequence[Row]) -> bytes:
    return _records([[_cell(field, row) for field in fields] for row in rows])


def _cell(field: Field, row: Row) -> str | None:
    value = row[field.name]
    if value is None or field.sql_type in _READ_AS_TEXT:
        return value  # type: ignore[no-any-return] # asyncpg knows no types of columns
    return to_json(value, inf_nan_mode="strings").decode().strip('"')


def _records(records: Sequence[Sequence[str | None]]) -> bytes:
    content = io.StringIO(newline="")
    write = csv.writer(content, quoting=csv.QUOTE_NOTNULL).writerow
    for cells in records:
        if len(cells) == 1 and cells[0] is None:  # which csv refuses, because many readers take it for no record
            content.write("\r\n")
        else:
            write(cells)
    return content.getvalue().encode()
