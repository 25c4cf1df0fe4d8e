"""Jobs of their owners: begun, looked up, cancelled, and their results."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from io import BufferedReader
from typing import BinaryIO
from uuid import UUID, uuid4

from classification_service.jobs import chunks, repository
from classification_service.jobs.errors import (
    JobsNeedDatabaseError,
    NotFinishedError,
    TableFileError,
    TooManyJobsError,
    UnknownJobError,
)
from classification_service.jobs.models import FinishedChunk, Format, Job, JobOptions, JobView, Layout, Owner
from classification_service.jobs.parts import open_parts, store_parts
from classification_service.jobs.reports import JobReports
from classification_service.jobs.tables.reading import open_table
from classification_service.jobs.tables.writing import Writer, open_writer
from nexus_chassis.unit_of_work import Database

MAX_UNFINISHED = 20
"""Jobs of one owner that are not finished."""


class JobService:
    """The jobs. Methods raise JobsNeedDatabaseError where there is no database, UnknownJobError for a job of somebody else."""

    def __init__(self, database: Database | None, reports: JobReports, on_new: Callable[[], None]) -> None:
        self._database = database
        self._reports = reports
        self._on_new = on_new

    @property
    def database(self) -> Database:
        """The database."""
        if self._database is None:
            raise JobsNeedDatabaseError
        return self._database

    async def create(self, owner: Owner, name: str | None, options: JobOptions, body: AsyncIterator[bytes]) -> JobView:
        """Receive a file and begin to classify its rows.

        Raises TableFileError for a file that cannot be, TooManyJobsError, and what `body` raises.
        """
        database, job_id = self.database, uuid4()
        async with database.write() as connection:
            if not await repository.create(connection, job_id, owner, name, options, limit=MAX_UNFINISHED):
                raise TooManyJobsError(MAX_UNFINISHED)
        try:
            await store_parts(database, job_id, body)
            async with open_parts(database, job_id) as file:
                layout = await asyncio.to_thread(_check, file, options)
            async with database.write() as connection:
                job = await repository.start(connection, job_id, layout)
        except BaseException:
            await asyncio.shield(self._forget(job_id))
            raise
        self._on_new()
        return await self._view(job)

    async def _forget(self, job_id: UUID) -> None:
        async with self.database.write() as connection:
            await repository.delete(connection, job_id)

    async def get(self, owner: Owner, job_id: UUID) -> JobView:
        """A job of its owner."""
        return await self._view(await self._find(owner, job_id))

    async def _find(self, owner: Owner, job_id: UUID) -> Job:
        async with self.database.read() as connection:
            job = await repository.find(connection, owner, job_id)
        if job is None:
            raise UnknownJobError(job_id)
        return job

    async def _view(self, job: Job) -> JobView:
        async with self.database.read() as connection:
            standing = await repository.standing(connection, job.id)
        async with self.database.read() as connection:
            return JobView(job, standing, await repository.errors(connection, job.id) if standing.failed else [])

    async def page(self, owner: Owner, after: UUID | None, limit: int) -> tuple[list[JobView], UUID | None]:
        """The owner's jobs, the latest first, those after one; and the `after` of the next page, None on the last."""
        async with self.database.read() as connection:
            jobs = await repository.page(connection, owner, after, limit + 1)
        views = [await self._view(job) for job in jobs[:limit]]
        return views, jobs[limit - 1].id if len(jobs) > limit else None

    async def end(self, owner: Owner, job_id: UUID) -> None:
        """Cancel a job that runs; delete one that has ended, with its results."""
        async with self.database.write() as connection:
            cancelled = await repository.cancel(connection, owner, job_id)
        job = await self._find(owner, job_id)
        if cancelled:
            await self._reports.publish(job.id, owner, "cancelled", (await self._view(job)).standing)
        else:
            await self._forget(job.id)

    async def results(
        self, owner: Owner, job_id: UUID, written: Format | None
    ) -> tuple[Job, Format, AsyncGenerator[bytes]]:
        """A job that is done, the format of its results, by default that of its file, and these; raises NotFinishedError."""
        job = await self._find(owner, job_id)
        if job.state != "done":
            raise NotFinishedError(job_id, job.state)
        chosen = written or job.layout.format
        return job, chosen, self._written(job, open_writer(chosen, job.layout, job.options.result_names))

    async def _written(self, job: Job, writer: Writer) -> AsyncGenerator[bytes]:
        """The results in parts; no connection is held while a client takes one."""
        yield writer.head()
        last = -1
        while found := await self._finished(job.id, last):
            for chunk in found:
                yield await asyncio.to_thread(_write, writer, chunk)
            last = found[-1].number
        yield writer.end()

    async def _finished(self, job_id: UUID, after: int) -> list[FinishedChunk]:
        async with self.database.read() as connection:
            return await repository.finished_chunks(connection, job_id, after, 4)


def _write(writer: Writer, chunk: FinishedChunk) -> bytes:
    return writer.rows(chunks.unpack_rows(chunk.content), chunks.unpack_outcomes(chunk.results))


def _check(file: BinaryIO | BufferedReader, options: JobOptions) -> Layout:
    """The layout of a file; raises TableFileError for one that cannot be classified."""
    table = open_table(file, options.mapping.names, options.reading)
    if next(table.rows(), None) is None:
        raise TableFileError("The file has no rows below its header.")
    return table.layout
