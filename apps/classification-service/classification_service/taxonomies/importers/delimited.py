"""Delimited text: encoding and delimiter found, line by line."""

import codecs
import csv
import io
from collections.abc import Iterator

from classification_service.taxonomies.importers.errors import fault

type Row = tuple[int, list[str]]
"""The number of the line on which a row ends, and its cells."""

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_DELIMITERS = ",;\t|"
_PEEK = 4096
_MAX_LINE = 1024 * 1024


def rows(stream: io.BufferedReader, name: str, delimiter: str | None = None) -> Iterator[Row]:
    """The rows of a stream; raises TaxonomyFileError. `name` is what errors call the file.

    Without a `delimiter` it is the one that the beginning has most often.
    """
    start = stream.peek(_PEEK)[:_PEEK]
    encoding = _encoding(start)
    text = io.TextIOWrapper(stream, encoding, newline="")
    chosen = delimiter or _delimiter(start.decode(encoding, "replace"))
    reader = csv.reader(_lines(text, name), delimiter=chosen, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except UnicodeDecodeError as error:
        detail = f"it is not in {_label(encoding)}: found the byte {error.object[error.start]:#04x}. Save it as UTF-8"
        raise fault(f"{name}, after line {reader.line_num}", detail) from None
    except UnicodeError as error:
        raise fault(name, f"it is not in {_label(encoding)}: {error}. Save it as UTF-8") from None
    except csv.Error as error:
        raise fault(f"{name}, line {reader.line_num}", f"it is not readable as CSV: {error}") from None


def _lines(text: io.TextIOWrapper, name: str) -> Iterator[str]:
    number = 0
    while line := text.readline(_MAX_LINE + 1):
        number += 1
        if len(line) > _MAX_LINE:
            raise fault(f"{name}, line {number}", f"it has more than {_MAX_LINE} characters; is the file really CSV?")
        yield line


def _encoding(start: bytes) -> str:
    """That of the byte order mark; without one, UTF-16 where every other byte is 0, else UTF-8."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    if start and not start.count(0):
        return "utf-8"
    odd, even = start[1::2].count(0), start[::2].count(0)
    return "utf-16-le" if odd >= even else "utf-16-be"


def _delimiter(start: str) -> str:
    return max(_DELIMITERS, key=start.count)


def _label(encoding: str) -> str:
    return encoding.removesuffix("-sig").upper()
