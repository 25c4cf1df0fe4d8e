"""The lines of a body that arrives in parts."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator

MAX_LINE_BYTES = 256 * 1024
"""Bytes of a line: as of a body with one row."""

BLOCK_LINES = 1000
BLOCK_BYTES = 1024 * 1024
"""A block with as many bytes ends there; it may exceed them by one part of the body."""

BLOCK_SECONDS = 10.0
"""How long lines wait for others, so that a transaction is never idle for long: PostgreSQL would end it."""


async def read_lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[list[bytes]]:
    """Yield the lines of a body, without their line feeds, in blocks of up to `BLOCK_LINES`; a block may be empty.

    A line that is longer than `MAX_LINE_BYTES` is the last; it may be cut.
    """
    lines = _Lines()
    async for part in parts:
        for block in lines.add(part):
            yield block
        if lines.has_ended:
            break
    for block in lines.end():
        yield block


class _Lines:
    """Splits parts of a body. A line of many parts is looked through once."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._begun = bytearray()
        self._size = 0
        self._since = time.monotonic()

    @property
    def has_ended(self) -> bool:
        return len(self._begun) > MAX_LINE_BYTES

    def add(self, part: bytes) -> Iterator[list[bytes]]:
        first, *others = part.split(b"\n")
        self._begun += first
        if others:
            self._lines += [bytes(self._begun), *others[:-1]]
            self._begun = bytearray(others[-1])
        self._size += len(part)
        while len(self._lines) >= BLOCK_LINES:
            yield self._take()
        if self._size >= BLOCK_BYTES or time.monotonic() - self._since >= BLOCK_SECONDS:
            yield self._take()

    def end(self) -> Iterator[list[bytes]]:
        if self._begun:
            self._lines.append(bytes(self._begun))
        while self._lines:
            yield self._take()

    def _take(self) -> list[bytes]:
        block, self._lines = self._lines[:BLOCK_LINES], self._lines[BLOCK_LINES:]
        self._size = 0
        self._since = time.monotonic()
        return block
