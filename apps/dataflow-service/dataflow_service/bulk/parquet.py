"""Rows as Parquet, by pyarrow: the extra `parquet` of this package, which is imported when it is first needed.

A row group is written once it has some MiB, so that memory stays the same whatever the number of rows.
"""

import importlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dataflow_service.bulk.encoding import Format
from dataflow_service.bulk.errors import BeyondFormatError, NoParquetError
from dataflow_service.bulk.schemas import PARQUET
from dataflow_service.records.repository import Row
from dataflow_service.registry.model import Field

GROUP_BYTES = 4 * 1024 * 1024
"""Bytes of values in one row group; the last 100 rows may exceed it."""

_OF_TIME = frozenset({"timestamptz", "date"})


def parquet(fields: Sequence[Field]) -> Format:
    """Return the format Parquet, for one export.

    Raises:
        NoParquetError: pyarrow is not installed.
    """
    try:
        arrow, files = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise NoParquetError from None
    writer = _Writer(arrow, files, fields)
    return Format(PARQUET, b"", writer.encode, writer.end)


class _Sink:
    """The file that pyarrow writes to, whose content is taken away."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, part: bytes) -> int:
        self._parts.append(bytes(part))
        return len(part)

    def flush(self) -> None:
        """Keep all as it is."""

    def close(self) -> None:
        """Keep all as it is."""

    def take(self) -> bytes:
        content = b"".join(self._parts)
        self._parts.clear()
        return content


class _Writer:
    """Writes one file. Numeric and JSON fields are strings, with all digits as the other formats have them; so are UUIDs."""

    def __init__(self, arrow: Any, files: Any, fields: Sequence[Field]) -> None:  # noqa: ANN401 - modules without types
        self._arrow = arrow
        self._fields = fields
        self._schema = arrow.schema(
            [arrow.field(field.name, _type(arrow, field), nullable=field.nullable) for field in fields]
        )
        self._sink = _Sink()
        self._writer = files.ParquetWriter(self._sink, self._schema)
        self._batches: list[Any] = []

    def encode(self, rows: Sequence[Row]) -> bytes:
        columns = [
            self._arrow.array([_value(field, row[field.name]) for row in rows], self._schema.field(field.name).type)
            for field in self._fields
        ]
        self._batches.append(self._arrow.record_batch(columns, schema=self._schema))
        if sum(batch.nbytes for batch in self._batches) >= GROUP_BYTES:
            self._write_group()
        return self._sink.take()

    def end(self) -> bytes:
        self._write_group()
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        if any(batch.num_rows for batch in self._batches):
            self._writer.write_table(self._arrow.Table.from_batches(self._batches))
        self._batches.clear()


def _type(arrow: Any, field: Field) -> Any:  # noqa: ANN401 - a module without types
    types = {
        "boolean": arrow.bool_(),
        "bigint": arrow.int64(),
        "double precision": arrow.float64(),
        "timestamptz": arrow.timestamp("us", tz="UTC"),
        "date": arrow.date32(),
    }
    found = types.get(field.sql_type.removesuffix("[]"), arrow.string())
    return arrow.list_(arrow.field("element", found, nullable=False)) if field.is_list else found


def _value(field: Field, value: Any) -> Any:  # noqa: ANN401 - of the field's type
    if isinstance(value, list):
        return [_value(field, item) for item in value]
    if isinstance(value, str) and field.sql_type.removesuffix("[]") in _OF_TIME:
        raise BeyondFormatError(field.name, value)
    return str(value) if isinstance(value, UUID) else value
