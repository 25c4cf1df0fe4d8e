"""Computes the vectors of imported versions, in chunks that worker processes and replicas share among each other."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.int8_backend import quantise
from classification_service.taxonomies import repository
from classification_service.taxonomies.models import Chunk, StoredVersion
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

CHUNK = 512
"""Codes of one chunk: a second or two of one processor, which is lost where a process is killed."""

POLL_SECONDS = 1.0
_NICE = 10
_log = logging.getLogger(__name__)


class Embedder:
    """Computes with up to `threads` threads, which give way to all others."""

    def __init__(self, database: Database, encoder: SentenceEncoder, threads: int) -> None:
        self._database = database
        self._encoder = encoder
        self._threads = threads
        self._for_titles: SentenceEncoder | None = None
        self._pool = ThreadPoolExecutor(threads, "embedding", initializer=_give_way)

    async def run(self) -> None:
        """Look for versions without vectors, and compute them, until the task is cancelled."""
        fault = ""
        while True:
            before, fault = fault, ""
            try:
                await self.embed_all()
            except (DatabaseUnavailableError, PoolExhaustedError) as error:
                fault = str(error)
                if fault != before:
                    _log.warning("vectors are not computed, and tried again: %s", fault)
            await asyncio.sleep(POLL_SECONDS)

    async def embed_all(self, on_progress: Callable[[int], None] = lambda _: None) -> None:
        """Compute what is missing; `on_progress` is called with the number of codes since the last call."""
        async with self._database.read() as connection:
            versions = await repository.versions(connection, self._encoder.name)
        for version in versions:
            if version.embedded < version.codes:
                await self._embed(version, on_progress)
        self._for_titles = None  # its weights take 20 MB

    async def _embed(self, version: StoredVersion, on_progress: Callable[[int], None]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._threads):
                group.create_task(self._embed_chunks(version, on_progress))

    async def _embed_chunks(self, version: StoredVersion, on_progress: Callable[[int], None]) -> None:
        while count := await self._embed_chunk(version):
            on_progress(count)

    async def _embed_chunk(self, version: StoredVersion) -> int:
        """Compute one chunk that nobody else computes; returns its number of codes, 0 where there is none left."""
        async with self._database.unit_of_work() as work:
            first = await repository.claim_chunk(work.connection, version, self._encoder.name, CHUNK)
            if first is None:
                return 0
            texts = await repository.texts(work.connection, version.id, first, CHUNK)
            if not texts:
                return 0  # the version was deleted
            loop = asyncio.get_running_loop()
            chunk = await loop.run_in_executor(self._pool, self._compute, first, texts)
            await repository.store_chunk(work.connection, version.id, self._encoder.name, chunk)
            return chunk.codes

    def _compute(self, first: int, texts: list[list[str]]) -> Chunk:
        encoder = self._for_titles = self._for_titles or self._encoder.for_titles()
        values, scales = quantise(encoder.encode([text for of_code in texts for text in of_code]))
        return Chunk(first, len(texts), scales.tobytes(), values.tobytes())

    def close(self) -> None:
        """End the threads once they have computed what they compute."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    """Requests come first: Linux has a priority for each thread."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
