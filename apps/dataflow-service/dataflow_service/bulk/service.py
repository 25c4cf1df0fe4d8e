"""Writes many rows in one transaction, and reads them all in another."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dataflow_service.bulk import repository
from dataflow_service.bulk.errors import BulkTimeoutError, StreamTooLongError
from dataflow_service.bulk.operations import Operation
from dataflow_service.bulk.parsing import rows_of
from dataflow_service.bulk.progress import Progress, ProgressReports
from dataflow_service.bulk.readers import Batch
from dataflow_service.bulk.writing import writing_beside
from dataflow_service.records.author import tenant_of
from dataflow_service.records.query import Query
from dataflow_service.records.repository import Row, reading
from dataflow_service.records.writer import Writing
from dataflow_service.registry.model import Model
from nexus_chassis.connection_pool import ACQUIRE_SECONDS
from nexus_chassis.pool_turn import Turns
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """What streams may take: rows, bytes and seconds of one, connections of all, seconds of a statement that reads."""

    rows: int
    size: int
    seconds: float
    connections: int
    read_seconds: float


class BulkService:
    """Many rows of a model in one request."""

    def __init__(self, database: Database, limits: StreamLimits, reports: ProgressReports) -> None:
        self._database = database
        self._reports = reports
        self.limits = limits
        self._turns = Turns("PostgreSQL", limits.connections)

    @asynccontextmanager
    async def receiving(self, principal: Principal, model: Model, operation: str) -> AsyncIterator[Progress]:
        """Context manager of the progress of a stream, which has one of the connections that streams may have.

        Raises:
            BulkTimeoutError: The block takes too long.
        """
        async with self._streaming():
            with self._reports.following(principal, model.path, operation) as progress:
                yield progress

    async def write_stream(
        self, writing: Writing, operation: Operation[Any], batches: AsyncGenerator[Batch], progress: Progress
    ) -> dict[str, int]:
        """Write the rows of a stream, all or none, within `receiving`; returns how many were changed in each way.

        Raises:
            InvalidRowError: Rows are not valid; each fault is named with its line.
            RefusedRowError: The database refuses a row.
            StreamTooLongError: There are too many rows.
        """
        async with aclosing(batches), writing() as writer, writing_beside(writer, operation) as beside:
            async for batch in batches:
                if batch.first + len(batch.items) > self.limits.rows:
                    raise StreamTooLongError(self.limits.rows)
                await beside.write(batch, await rows_of(operation, batch))
                progress.rows = batch.first  # those before the batch are written
        progress.rows = beside.counts.total()
        return {name: beside.counts[name] for name in operation.counted}

    @asynccontextmanager
    async def export(
        self, principal: Principal, model: Model, query: Query
    ) -> AsyncIterator[AsyncIterator[Sequence[Row]]]:
        """Context manager of all rows of a query as they are at one moment, some at a time.

        Raises:
            BulkTimeoutError: It takes too long.
            QueryTimeoutError: The next rows take PostgreSQL too long.
        """
        async with (
            self._streaming(),
            self._database.read(tenant=tenant_of(principal)) as connection,
            reading(connection, self.limits.read_seconds, "REPEATABLE READ"),
            aclosing(repository.fetch_all(connection, model, query)) as rows,
        ):
            yield rows

    @asynccontextmanager
    async def _streaming(self) -> AsyncIterator[None]:
        """Take one of the connections that streams may have: the others are for short requests."""
        await self._turns.take(ACQUIRE_SECONDS)
        try:
            async with asyncio.timeout(self.limits.seconds):
                yield
        except TimeoutError as error:
            raise BulkTimeoutError(self.limits.seconds) from error
        finally:
            self._turns.give_back()
