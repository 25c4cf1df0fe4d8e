"""The log of a run while it runs: lines are written a few times a second, many at once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mcp_server.runner import wire
from mcp_server.workflows import run_repository
from mcp_server.workflows.run_models import RunLog
from nexus_chassis.background import in_background
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

_WRITE_SECONDS = 0.3
_log = logging.getLogger(__name__)


@dataclass
class RunLogWriter:
    """Numbers the lines of a run's log and keeps them until they are written."""

    database: Database
    tenant: str
    run_id: str
    number: int
    lines: list[RunLog] = field(default_factory=list)

    async def add(self, line: wire.Log) -> None:
        """Add a line."""
        self.number += 1
        self.lines.append(RunLog(self.number, datetime.now(UTC), line.level, line.logger, line.message))

    async def keep(self) -> None:
        """Write the lines, until cancelled."""
        while True:
            await asyncio.sleep(_WRITE_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Write the lines that are not yet; they stay for the next time where PostgreSQL is away."""
        lines = list(self.lines)
        if not lines:
            return
        try:
            async with self.database.write(tenant=self.tenant) as connection:
                await run_repository.add_logs(connection, self.tenant, self.run_id, lines)
        except (DatabaseUnavailableError, PoolExhaustedError) as error:
            _log.warning("the log of a run cannot be written for now: %s", error)
            return
        del self.lines[: len(lines)]


@asynccontextmanager
async def writing_log(database: Database, tenant: str, run_id: str) -> AsyncIterator[RunLogWriter]:
    """What writes the log of a run while the block runs, and the rest of it at the end; later attempts go on behind it."""
    async with database.read(tenant=tenant) as connection:
        writer = RunLogWriter(database, tenant, run_id, await run_repository.last_log(connection, run_id))
    try:
        async with in_background(writer.keep()):
            yield writer
    finally:
        await writer.write()
