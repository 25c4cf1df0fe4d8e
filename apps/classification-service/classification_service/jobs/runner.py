"""Reads files into chunks and classifies these, as one of many worker processes on many machines.

PostgreSQL holds all that a job needs: a process that is killed loses the chunk that it had, which another one computes.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from datetime import timedelta
from io import BufferedReader
from itertools import islice
from uuid import UUID

import asyncpg

from classification_service.jobs import chunks, repository
from classification_service.jobs.errors import TableFileError
from classification_service.jobs.models import ClaimedChunk, Classify, Job, Outcome, Purpose, Row, RowError
from classification_service.jobs.parts import open_parts
from classification_service.jobs.reports import JobReports
from classification_service.jobs.tables.reading import Table, open_table
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

POLL_SECONDS = 0.5
SWEEP_SECONDS = 30.0
MAX_ATTEMPTS = 3
_log = logging.getLogger(__name__)

type Loaded = Callable[[], Sequence[tuple[str, str]]]
"""The taxonomies that can be classified against now, by name and version."""


class JobRunner:
    """One worker. Jobs that ended are kept for the time `kept`."""

    def __init__(
        self, database: Database, classify: Classify, loaded: Loaded, reports: JobReports, kept: timedelta
    ) -> None:
        self._database = database
        self._classify = classify
        self._loaded = loaded
        self._reports = reports
        self._kept = kept
        self._news = asyncio.Event()

    def wake(self) -> None:
        """There is a new job."""
        self._news.set()

    async def run(self) -> None:
        """Work until the task is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(self._read_next, POLL_SECONDS))
            group.create_task(self._repeat(self._classify_next, POLL_SECONDS))
            group.create_task(self._repeat(self._sweep, SWEEP_SECONDS))

    async def _repeat(self, work: Callable[[], Awaitable[bool]], seconds: float) -> None:
        """Do the work again and again, with a pause where it found nothing to do."""
        fault = ""
        while True:
            before, fault, found = fault, "", False
            try:
                found = await work()
            except (DatabaseUnavailableError, PoolExhaustedError) as error:
                fault = str(error)
                if fault != before:
                    _log.warning("jobs wait, and go on later: %s", fault)
            except Exception:  # noqa: BLE001  other jobs go on
                _log.exception("a job met an error that nobody expected")
            if not found:
                await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _sweep(self) -> bool:
        async with self._database.read() as connection:
            await repository.sweep(connection, self._kept)
        return False

    async def _read_next(self) -> bool:
        """Read a job that nobody else reads; returns whether there was one."""
        async with self._database.read() as connection:
            unread = await repository.unread(connection)
        for job_id, key in unread:
            async with self._database.connect() as connection:
                if await repository.lock_reading(connection, key):
                    return await self._read(job_id)
        return False

    async def _read(self, job_id: UUID) -> bool:
        async with self._database.read() as connection:
            place = await repository.reading_place(connection, job_id)
        if place is None:
            return False
        try:
            await self._read_from(*place)
        except TableFileError as error:
            await self._fail(place[0], str(error))
        return True

    async def _read_from(self, job: Job, first: int, skipped: int) -> None:
        """Store the chunks from the number `first` on, below so many rows."""
        async with open_parts(self._database, job.id) as file:
            table = await asyncio.to_thread(_open, file, job)
            async with aclosing(_in_thread(chunks.cut(islice(table.rows(), skipped, None)))) as parts:
                async for number, (rows, content) in _numbered(parts, first):
                    async with self._database.write() as connection:
                        if not await repository.add_chunk(connection, job.id, number, rows, content):
                            return
                    self._news.set()
            async with self._database.write() as connection:
                await repository.finish_reading(connection, job.id, table.layout)
        await self._finish_jobs()

    async def _classify_next(self) -> bool:
        """Compute a chunk that nobody else computes; returns whether there was one."""
        chunk = None
        try:
            async with self._database.unit_of_work() as work:
                chunk = await repository.claim(work.connection, self._loaded())
                if chunk is not None:
                    results, failures = await self._compute(work.connection, chunk)
                    await repository.finish_chunk(work.connection, chunk, results, failures)
        except (DatabaseUnavailableError, PoolExhaustedError):
            raise
        except Exception as error:
            if chunk is None:
                raise
            await self._give_up(chunk, error)
        await self._finish_jobs()
        if chunk is not None:
            await self._report(chunk.job)
        return chunk is not None

    async def _compute(self, connection: asyncpg.Connection, chunk: ClaimedChunk) -> tuple[bytes, list[RowError]]:
        job = chunk.job
        purpose = Purpose(f"job:{job.id}", job.owner.subject, job.owner.tenant or None)
        rows = await asyncio.to_thread(chunks.unpack_rows, chunk.content)
        questions = await asyncio.to_thread(chunks.questions, rows, job.layout, job.options.mapping)
        answers = await repository.answers(connection, job.id, list(questions.products))
        fresh: dict[bytes, Outcome] = {}
        async for portion in chunks.ask(self._classify, job.options, purpose, questions.without(answers)):
            fresh |= portion
            await repository.hold(connection)
        await repository.add_answers(connection, job.id, fresh)
        outcomes = questions.answered(answers | fresh)
        return await asyncio.to_thread(chunks.pack_outcomes, outcomes), _failures(rows, outcomes)

    async def _give_up(self, chunk: ClaimedChunk, error: Exception) -> None:
        """Leave a chunk to a later attempt, or end its job after several."""
        _log.error(
            "a chunk cannot be computed", exc_info=error, extra={"job": str(chunk.job.id), "chunk": chunk.number}
        )
        async with self._database.write() as connection:
            attempts = await repository.count_attempt(connection, chunk)
        if attempts >= MAX_ATTEMPTS:
            await self._fail(
                chunk.job, f"An internal error came up in part {chunk.number} of the file, again and again."
            )
        await asyncio.sleep(POLL_SECONDS)

    async def _fail(self, job: Job, error: str) -> None:
        async with self._database.write() as connection:
            failed = await repository.fail(connection, job.id, error)
        if failed:
            async with self._database.read() as connection:
                standing = await repository.standing(connection, job.id)
            await self._reports.publish(job.id, job.owner, "failed", standing)

    async def _finish_jobs(self) -> None:
        async with self._database.write() as connection:
            ended = await repository.finish_jobs(connection)
        for job_id, owner in ended:
            async with self._database.read() as connection:
                standing = await repository.standing(connection, job_id)
            await self._reports.publish(job_id, owner, "done", standing)

    async def _report(self, job: Job) -> None:
        if self._reports.is_due(job.id):
            async with self._database.read() as connection:
                standing = await repository.standing(connection, job.id)
            if not standing.whole or standing.done < standing.read:
                await self._reports.publish(job.id, job.owner, "running", standing)


def _open(file: BufferedReader, job: Job) -> Table:
    return open_table(file, job.options.mapping.names, job.options.reading)


def _failures(rows: Sequence[Row], outcomes: Sequence[Outcome]) -> list[RowError]:
    pairs = zip(rows, outcomes, strict=True)
    return [RowError(row.number, outcome.error) for row, outcome in pairs if outcome.error]


async def _in_thread(parts: Iterator[list[Row]]) -> AsyncGenerator[tuple[int, bytes]]:
    """The chunks, read and packed in a thread, each with its number of rows; half of the time is left to others."""

    def read() -> tuple[int, bytes] | None:
        rows = next(parts, None)
        return None if rows is None else (len(rows), chunks.pack_rows(rows))

    started = time.perf_counter()
    while (part := await asyncio.to_thread(read)) is not None:
        await asyncio.sleep(time.perf_counter() - started)
        yield part
        started = time.perf_counter()


async def _numbered[T](items: AsyncGenerator[T], first: int) -> AsyncGenerator[tuple[int, T]]:
    async for item in items:
        yield first, item
        first += 1
