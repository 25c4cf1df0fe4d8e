"""What the tests of streams send, and expect of answers."""

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

NDJSON = {"Content-Type": "application/x-ndjson"}
CSV = {"Content-Type": "text/csv"}


def ndjson(rows: Iterable[object]) -> bytes:
    """Rows as lines."""
    return b"".join([json.dumps(row).encode() + b"\n" for row in rows])


async def in_parts(content: bytes, size: int) -> AsyncIterator[bytes]:
    """A body that is sent in parts of a size."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


def on_lines(*faults: tuple[str, str, int]) -> dict[str, object]:
    """The problem of a stream with these faults: pointers, texts and lines."""
    return {
        "type": "urn:nexus:problem:invalid-request",
        "title": "The request is not valid",
        "status": 422,
        "detail": "; ".join(f"{pointer}: {text}" for pointer, text, _ in faults),
        "errors": [{"pointer": pointer, "detail": text, "line": line} for pointer, text, line in faults],
    }


def sku_taken(pointer: str, **line: int) -> Mapping[str, Any]:
    """The problem of a row of a bulk whose sku another row has."""
    text = "Another product has the same sku. Send another value, or change the row that has it."
    return {
        "type": "urn:nexus:problem:not-unique",
        "title": "The value is taken",
        "status": 409,
        "detail": text,
        "fields": ["sku"],
        "errors": [{"pointer": pointer, "detail": text, **line}],
    }
