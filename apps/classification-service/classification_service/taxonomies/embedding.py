"""Computes the vectors of imported versions, in chunks that worker processes and replicas share among each other."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from classification_service.encoder.encoders import Encoders
from classification_service.encoder.folder import EncoderFolderError
from classification_service.encoder.int8_backend import quantise
from classification_service.encoder.text_encoder import TextEncoder
from classification_service.taxonomies import repository
from classification_service.taxonomies.models import Chunk, StoredVersion
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

CHUNK = 512
"""Codes of one chunk: a second or two of one processor, which is lost where a process is killed."""

POLL_SECONDS = 1.0
_NICE = 10
_TURN = 16
"""Chunks of multilingual vectors until it is looked whether a new version is there, whose first vectors are computed before."""

_log = logging.getLogger(__name__)

type OnProgress = Callable[[int], None]


@dataclass(slots=True)
class _Task:
    """The vectors of a version by an encoder, at most of `limit` chunks, of which `computed` are done."""

    version: StoredVersion
    encoder: TextEncoder
    limit: int | None = None
    computed: int = 0

    @property
    def is_over(self) -> bool:
        """Whether no further chunk is to be begun."""
        return self.limit is not None and self.computed >= self.limit


class Embedder:
    """Computes with up to `threads` threads, which give way to all others."""

    def __init__(self, database: Database, encoders: Encoders, threads: int) -> None:
        self._database = database
        self._encoders = encoders
        self._threads = threads
        self._for_titles: dict[str, TextEncoder] = {}
        self._pool = ThreadPoolExecutor(threads, "embedding", initializer=_give_way)

    async def run(self) -> None:
        """Look for versions without vectors, and compute them, until the task is cancelled."""
        fault = ""
        while True:
            before, fault = fault, ""
            try:
                await self.embed_all()
            except* (DatabaseUnavailableError, PoolExhaustedError, EncoderFolderError) as errors:
                fault = str(errors.exceptions[0])
                if fault != before:
                    _log.warning("vectors are not computed, and tried again: %s", fault)
            await asyncio.sleep(POLL_SECONDS)

    async def embed_all(self, on_progress: OnProgress = lambda _: None) -> None:
        """Compute what is missing, what versions are loaded with first; for `on_progress` see `embed_first`."""
        while True:
            await self.embed_first(on_progress)
            if not await self._embed_turn(on_progress):
                break
        self._for_titles.clear()  # the weights for titles take 20 MB

    async def embed_first(self, on_progress: OnProgress) -> None:
        """Compute what versions lack to be loaded; `on_progress` is called with the number of codes since the last call."""
        for version in await self._versions():
            if version.embedded < version.codes:
                await self._embed(_Task(version, self._encoders.of(version.language)), on_progress)

    async def _embed_turn(self, on_progress: OnProgress) -> bool:
        """Compute some multilingual vectors of one version, if any are missing; returns whether some were."""
        task = next(
            (
                _Task(version, self._encoders.multilingual, _TURN)
                for version in await self._versions()
                if version.multilingual < version.codes
            ),
            None,
        )
        if task is not None:
            await self._embed(task, on_progress)
        return task is not None and task.computed > 0

    async def _versions(self) -> list[StoredVersion]:
        async with self._database.read() as connection:
            return await repository.versions(connection, self._encoders.names)

    async def _embed(self, task: "_Task", on_progress: OnProgress) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._threads):
                group.create_task(self._embed_chunks(task, on_progress))

    async def _embed_chunks(self, task: "_Task", on_progress: OnProgress) -> None:
        while not task.is_over and (count := await self._embed_chunk(task.version, task.encoder)):
            task.computed += 1
            on_progress(count)

    async def _embed_chunk(self, version: StoredVersion, encoder: TextEncoder) -> int:
        """Compute one chunk that nobody else computes; returns its number of codes, 0 where there is none left."""
        async with self._database.unit_of_work() as work:
            first = await repository.claim_chunk(work.connection, version, encoder.name, CHUNK)
            if first is None:
                return 0
            texts = await repository.texts(work.connection, version.id, first, CHUNK)
            if not texts:
                return 0  # the version was deleted
            loop = asyncio.get_running_loop()
            chunk = await loop.run_in_executor(self._pool, self._compute, encoder, first, texts)
            await repository.store_chunk(work.connection, version.id, encoder.name, chunk)
            return chunk.codes

    def _compute(self, encoder: TextEncoder, first: int, texts: list[list[str]]) -> Chunk:
        if (opened := self._for_titles.get(encoder.name)) is None:
            opened = self._for_titles[encoder.name] = encoder.for_titles()
        values, scales = quantise(opened.encode([text for of_code in texts for text in of_code]))
        return Chunk(first, len(texts), scales.tobytes(), values.tobytes())

    def close(self) -> None:
        """End the threads once they have computed what they compute."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _give_way() -> None:
    """Requests come first: Linux has a priority for each thread."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
