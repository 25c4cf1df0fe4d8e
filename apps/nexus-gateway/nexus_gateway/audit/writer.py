"""Writes the audit log: recording takes no time, the rows follow within a second."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from itertools import islice

import asyncpg

from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database, UnitOfWork
from nexus_gateway.audit.models import AuditEvent, Recorded, chain
from nexus_gateway.audit.repository import AuditRepository
from nexus_gateway.audit.tally import Tally
from nexus_gateway.metrics import AUDIT_DROPPED, AUDIT_QUEUE, AUDIT_WRITTEN

MAX_KEPT = 10_000
"""Events that wait while PostgreSQL is away; then the oldest are dropped, and counted."""

MAX_TEXT = 1024
"""Characters that are kept of a target or a detail."""

_INTERVAL_SECONDS = 0.25
_BATCH = 250  # rows of one transaction: hashing them takes about 3 ms
_FLUSH_SECONDS = 5.0  # at the end of the process
_log = logging.getLogger(__name__)


class AuditWriter:
    """Records events in the order in which they come, each once, while PostgreSQL answers or after it was away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rows = AuditRepository()
        self._waiting: deque[Recorded] = deque()
        self._tally = Tally()
        self._dropped = 0
        self._batch: list[Recorded] = []
        self._last_hash: bytes | None = None  # of the batch, if an attempt to write it may have succeeded
        self._away = False

    def record(self, event: AuditEvent) -> None:
        """Record an event within a second; returns at once, and raises nothing."""
        if len(self._waiting) >= MAX_KEPT:
            self._waiting.popleft()
            self._drop(1)
        self._waiting.append(Recorded(time.time(), _bounded(event)))

    def record_repeated(self, event: AuditEvent) -> None:
        """Record an event that may come in floods, such as a refusal.

        Of those with the same action, subject (or target, where nobody is known), client and address, the first in a
        minute is recorded, and then how many followed it (`repeated` in the row's detail).
        """
        if (first := self._tally.add(event, time.monotonic())) is not None:
            self.record(first)

    async def record_in(self, unit: UnitOfWork, event: AuditEvent) -> None:
        """Record an event in the transaction of the change itself: there is both or neither.

        Call it last in the transaction: until that ends, nobody else writes to the log.
        """
        head = await self._rows.lock_head(unit.connection)
        await self._rows.add(unit.connection, chain(head, [Recorded(time.time(), _bounded(event))]))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write what is recorded during the block, and the rest at its end."""
        ending = asyncio.Event()
        writing = asyncio.create_task(self._run(ending))
        try:
            yield
        finally:
            ending.set()
            await self._finish(writing)

    async def _run(self, ending: asyncio.Event) -> None:
        """A flush is not cancelled where that can be helped: asyncpg logs an error when it connects meanwhile."""
        while not ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), _INTERVAL_SECONDS)
            await self.flush()
        for event in self._tally.ended(float("inf")):
            self.record(event)
        await self.flush()

    async def _finish(self, writing: asyncio.Task[None]) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(writing, _FLUSH_SECONDS)
        if lost := len(self._batch) + len(self._waiting):
            _log.error("%d audit events are lost: PostgreSQL did not take them before the end of the process", lost)

    async def flush(self) -> None:
        """Write what waits, unless PostgreSQL is away: then it goes on waiting."""
        for event in self._tally.ended(time.monotonic()):
            self.record(event)
        try:
            while self._next_batch():
                await self._write()
        except (DatabaseUnavailableError, PoolExhaustedError, asyncpg.PostgresError) as error:
            if not self._away:
                _log.warning("audit events wait for PostgreSQL: %s", error)
            self._away = True
        AUDIT_QUEUE.set(len(self._waiting) + len(self._batch))

    def _next_batch(self) -> bool:
        """Whether there is something to write: what was not written the last time comes first."""
        if not self._batch:
            self._batch = list(islice(self._waiting, _BATCH))
            for _ in self._batch:
                self._waiting.popleft()
            if self._dropped:
                self._batch.append(Recorded(time.time(), _dropped(self._dropped)))
                self._dropped = 0
        return bool(self._batch)

    async def _write(self) -> None:
        """Write the batch; each row once, also after an attempt whose outcome is unknown as its connection was lost."""
        async with self._database.unit_of_work() as unit:
            head = await self._rows.lock_head(unit.connection)
            if self._last_hash is None or not await self._rows.has_row(unit.connection, self._last_hash):
                entries = chain(head, self._batch)
                self._last_hash = entries[-1].hash
                await self._rows.add(unit.connection, entries)
        AUDIT_WRITTEN.inc(len(self._batch))
        self._batch, self._last_hash = [], None
        if self._away:
            _log.info("audit events are written again")
        self._away = False

    def _drop(self, count: int) -> None:
        self._dropped += count
        AUDIT_DROPPED.inc(count)


def _dropped(count: int) -> AuditEvent:
    return AuditEvent("audit.drop", "failed", detail={"events": str(count)})


def _bounded(event: AuditEvent) -> AuditEvent:
    """The event with texts of a bounded length, because many may wait in memory."""
    if event.target is not None and len(event.target) > MAX_TEXT:
        event = replace(event, target=event.target[:MAX_TEXT])
    if event.detail and max(map(len, event.detail.values())) > MAX_TEXT:
        event = replace(event, detail={name: value[:MAX_TEXT] for name, value in event.detail.items()})
    return event
