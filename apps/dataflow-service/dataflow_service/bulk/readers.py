"""Rows of streams, in batches. What cannot be read is a fault of its row, found when the row is decoded."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_service.bulk.lines import MAX_LINE_BYTES, read_lines
from dataflow_service.records.errors import Fault, InvalidRowError
from dataflow_service.records.parsing import Place
from nexus_chassis import strict_json
from nexus_chassis.strict_json import InvalidJsonError


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as they were sent, and what makes the JSON value of one.

    `first` is how many rows are before them, `lines` the line where each begins.
    """

    items: Sequence[Any]
    decode: Callable[[Any, Place], object]
    first: int
    lines: Sequence[int]


async def json_lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[Batch]:
    """Yield the rows of NDJSON, one on each line. An empty line is no row."""
    first = 0
    async for lines in read_lines(parts):
        behind = first + len(lines)
        yield Batch(lines, _decode_line, first, range(first + 1, behind + 1))
        first = behind


def _decode_line(line: bytes, place: Place) -> object:
    if len(line) > MAX_LINE_BYTES:
        raise InvalidRowError([Fault(place, TOO_LONG)])
    return decode_json(line, place)


TOO_LONG = f"has more than {MAX_LINE_BYTES} bytes"


def decode_json(text: bytes | str, place: Place) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text.

    Raises:
        InvalidRowError: It is not strict JSON.
    """
    try:
        return strict_json.loads(text, decimals=True)
    except InvalidJsonError as error:
        reason = str(error).replace(" at line 1, column ", " at character ")  # the line of the text, not of the body
        raise InvalidRowError([Fault(place, f"cannot be read as JSON: {reason}")]) from None
