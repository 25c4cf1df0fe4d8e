"""Writes batches of rows, and finds the row that the database refuses."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from dataflow_service.bulk.errors import RefusedRowError
from dataflow_service.bulk.operations import Operation, Written
from dataflow_service.bulk.readers import Batch
from dataflow_service.records.errors import (
    Fault,
    NoRelatedRowError,
    NoSuchRowError,
    NotUniqueError,
    ReferencedError,
    RefusalError,
)
from dataflow_service.records.parsing import BODY
from dataflow_service.records.writer import RecordWriter, Writing


async def _write_rows[T](
    writer: RecordWriter, operation: Operation[T], rows: Sequence[T], batch: Batch | None = None
) -> Written:
    """Write rows in the order in which they were sent; those of a stream with the batch that they are of.

    Raises:
        RefusedRowError: The database refuses a row.
    """
    first = 0 if batch is None else batch.first
    written = Written()
    done = 0
    for run in operation.runs(rows):
        try:
            written.add(await _write_run(writer, operation, run, done))
        except _RefusedError as refused:
            line = None if batch is None else batch.lines[refused.number]
            fault = Fault((*BODY, first + refused.number, *_field(refused.cause)), str(refused.cause), line)
            raise RefusedRowError(refused.cause, fault) from refused.cause
        done += len(run)
    return written


async def write_array[T](writing: Writing, operation: Operation[T], rows: Sequence[T]) -> Written:
    """Write the rows of an array in a transaction; raises RefusedRowError."""
    async with writing() as writer:
        return await _write_rows(writer, operation, rows)


class _Beside[T]:
    """Writes batches in tasks, one at a time: PostgreSQL works on one while the next is being read."""

    def __init__(self, writer: RecordWriter, operation: Operation[T]) -> None:
        self.counts: Counter[str] = Counter()
        self._writer = writer
        self._operation = operation
        self._task: asyncio.Task[Written] | None = None

    async def write(self, batch: Batch, rows: Sequence[T]) -> None:
        """Begin to write a batch, once the one before is written; raises RefusedRowError for that one."""
        await self.finish()
        self._task = asyncio.create_task(_write_rows(self._writer, self._operation, rows, batch))

    async def finish(self) -> None:
        """Wait until what was begun is written."""
        if self._task is not None:
            task, self._task = self._task, None
            self.counts.update((await task).counts)


@asynccontextmanager
async def writing_beside[T](writer: RecordWriter, operation: Operation[T]) -> AsyncIterator[_Beside[T]]:
    """Context manager of what writes batches beside the reading of others; all are written at the end.

    The transaction ends behind it in any case, which no statement may run into.
    """
    beside = _Beside(writer, operation)
    try:
        yield beside
    finally:
        await beside.finish()


class _RefusedError(Exception):
    """The database refuses the row with a number in its batch."""

    def __init__(self, number: int, cause: RefusalError) -> None:
        super().__init__(str(cause))
        self.number = number
        self.cause = cause


async def _write_run[T](writer: RecordWriter, operation: Operation[T], rows: Sequence[T], first: int) -> Written:
    """Write rows together; where the database refuses them, in halves, until it refuses a single one."""
    try:
        async with writer.part():
            return await operation.write(writer, rows)
    except RefusalError as error:
        if len(rows) == 1:
            raise _RefusedError(first, error) from error
    middle = len(rows) // 2
    written = await _write_run(writer, operation, rows[:middle], first)
    written.add(await _write_run(writer, operation, rows[middle:], first + middle))
    return written


def _field(cause: RefusalError) -> tuple[str, ...]:
    """Return the field that a refusal is about, where it is one."""
    match cause:
        case NotUniqueError(fields=(name,)):
            return (name,)
        case NoRelatedRowError(field=name):
            return (name,)
        case NoSuchRowError() | ReferencedError():
            return ("id",)
    return ()
