"""The file of a job, read from its parts in PostgreSQL: no worker needs room for it on a disk or in memory."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, override
from uuid import UUID

from cachetools import LRUCache

from classification_service.jobs import repository
from nexus_chassis.unit_of_work import Database

if TYPE_CHECKING:
    from concurrent.futures import Future

PART_BYTES = 1024 * 1024
_HELD = 4  # parts: the directory of an archive, its texts and its sheet are read by turns
_SECONDS = 60.0


class _Parts(io.RawIOBase):
    """A file that threads read; each part is fetched in the event loop."""

    def __init__(self, database: Database, job_id: UUID, size: int, loop: asyncio.AbstractEventLoop) -> None:
        self._database = database
        self._job_id = job_id
        self._size = size
        self._loop = loop
        self._place = 0
        self._held: LRUCache[int, bytes] = LRUCache(_HELD)
        self._fetching: Future[bytes] | None = None
        self._ended = False

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def tell(self) -> int:
        return self._place

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, origin + offset)
        return self._place

    @override
    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]  # what io passes
        number, start = divmod(self._place, PART_BYTES)
        content = self._part(number)[start : start + len(buffer)] if self._place < self._size else b""
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def _part(self, number: int) -> bytes:
        if (held := self._held.get(number)) is None:
            held = self._held[number] = self._fetch(number)
        return held

    def _fetch(self, number: int) -> bytes:
        if self._ended:
            raise OSError("the file is closed")
        self._fetching = asyncio.run_coroutine_threadsafe(self._read(number), self._loop)
        return self._fetching.result(_SECONDS)

    async def _read(self, number: int) -> bytes:
        async with self._database.read() as connection:
            return await repository.read_part(connection, self._job_id, number)

    def end(self) -> None:
        """Let no thread wait any longer."""
        self._ended = True
        if self._fetching is not None:
            self._fetching.cancel()


@asynccontextmanager
async def open_parts(database: Database, job_id: UUID) -> AsyncIterator[io.BufferedReader]:
    """Context manager of the file of a job, for threads."""
    async with database.read() as connection:
        size = await repository.file_size(connection, job_id)
    parts = _Parts(database, job_id, size, asyncio.get_running_loop())
    try:
        yield io.BufferedReader(parts, 64 * 1024)
    finally:
        parts.end()


async def store_parts(database: Database, job_id: UUID, body: AsyncIterator[bytes]) -> None:
    """Store what arrives in parts; no connection is held while nothing arrives."""
    number, held = 0, bytearray()
    async for piece in body:
        held += piece
        while len(held) >= PART_BYTES:
            await _store(database, job_id, number, bytes(held[:PART_BYTES]))
            del held[:PART_BYTES]
            number += 1
    if held:
        await _store(database, job_id, number, bytes(held))


async def _store(database: Database, job_id: UUID, number: int, content: bytes) -> None:
    async with database.write() as connection:
        await repository.add_part(connection, job_id, number, content)
