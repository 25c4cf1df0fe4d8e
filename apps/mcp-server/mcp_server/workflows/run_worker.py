"""Takes runs from the queue and runs them; what becomes of a run whose process dies, another process decides."""

import asyncio
import logging
import time
from contextlib import suppress
from dataclasses import dataclass, field

from mcp_server.metrics import RUN_SECONDS, RUN_WAIT_SECONDS, RUNS_HELD, RUNS_WAITING
from mcp_server.notices import topics
from mcp_server.notices.service import Fields, Notices
from mcp_server.workflows import run_queue, run_repository
from mcp_server.workflows.outcomes import End
from mcp_server.workflows.run_execution import Again, NoLongerHeldError, Progress, RunExecutor, after_loss
from mcp_server.workflows.run_models import HeldRun
from nexus_chassis.drain import Drain
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError, RedisUnavailableError
from nexus_chassis.problems import Problem
from nexus_chassis.unit_of_work import Database

LOOK_SECONDS = 1.0
"""How late this process may see that a run waits whose notice was lost, or whose process has died."""

CLOSE_SECONDS = 5.0
"""How long runs that have changed data may go on when the process ends."""

_RENEW_SECONDS = 4.0
_SPARE_SECONDS = 2.0  # so long before its lease ends, a run that cannot be renewed is ended here
_RETRY_SECONDS = 2.0
_AWAY = (DatabaseUnavailableError, PoolExhaustedError)
_log = logging.getLogger(__name__)


@dataclass
class _Held:
    """A run that this process holds, until a time of the monotonic clock."""

    tenant: str
    run_id: str
    until: float
    progress: Progress = field(default_factory=lambda: Progress(has_changed=False))
    task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Stop the work on it."""
        if self.task is not None:
            self.task.cancel()

    def on_notice(self, _topic: str, fields: Fields) -> None:
        """Stop where it was cancelled."""
        if fields.get("status") == "cancelled":
            self.stop()


class RunWorker:
    """Runs at most `slots` workflows at once."""

    def __init__(
        self, database: Database, executor: RunExecutor, notices: Notices, drain: Drain, *, slots: int
    ) -> None:
        self._database = database
        self._executor = executor
        self._notices = notices
        self._drain = drain
        self._slots = slots
        self._held: dict[str, _Held] = {}
        self._woken = asyncio.Event()
        self._is_closing = False

    def wake(self) -> None:
        """Look into the queue soon."""
        self._woken.set()

    def on_queued(self, _topic: str, _fields: Fields) -> None:
        """Look into the queue: another process has put a run there."""
        self.wake()

    async def keep(self) -> None:
        """Take and run what waits, until cancelled. No more is taken once the service is about to stop."""
        while True:
            self._woken.clear()
            if not self._drain.started:
                await self._take()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()

    async def renew(self) -> None:
        """Show the other processes, until cancelled, that this one still runs its runs; end those it no longer holds."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            await self._renew(list(self._held), time.monotonic())
            await self._measure()

    async def close(self) -> None:
        """End all runs: those that changed nothing go back into the queue, the others may take a little longer."""
        self._is_closing = True
        tasks = [held.task for held in self._held.values() if held.task is not None]
        for held in list(self._held.values()):
            if not held.progress.has_changed:
                held.stop()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self) -> None:
        room, now = self._slots - len(self._held), time.monotonic()
        if room <= 0:
            return
        try:
            async with self._database.write() as connection:
                taken = await run_queue.take(connection, self._executor.holder, room)
        except _AWAY as error:
            _log.warning("runs cannot be taken for now: %s", error)
            return
        for tenant, run_id in taken:
            self._start(_Held(tenant, run_id, now + run_queue.LEASE_SECONDS))

    def _start(self, held: _Held) -> None:
        self._held[held.run_id] = held
        held.task = asyncio.create_task(self._run(held))
        held.task.add_done_callback(lambda _: self._ended(held))

    def _ended(self, held: _Held) -> None:
        if self._held.get(held.run_id) is held:
            del self._held[held.run_id]
        self.wake()

    async def _renew(self, run_ids: list[str], now: float) -> None:
        if not run_ids:
            return
        try:
            async with self._database.write() as connection:
                renewed = await run_queue.renew(connection, self._executor.holder, run_ids)
        except _AWAY as error:
            _log.warning("runs cannot be renewed for now: %s", error)
        else:
            for held in (self._held[run_id] for run_id in run_ids if run_id in self._held):
                held.until = now + run_queue.LEASE_SECONDS if held.run_id in renewed else now
        for held in list(self._held.values()):
            if now > held.until - _RENEW_SECONDS - _SPARE_SECONDS:
                held.stop()

    async def _measure(self) -> None:
        with suppress(*_AWAY):
            async with self._database.read() as connection:
                waiting, seconds = await run_queue.waiting(connection)
            RUNS_WAITING.set(waiting)
            RUN_WAIT_SECONDS.set(seconds)

    async def _run(self, held: _Held) -> None:
        """Run a run that this process holds, and measure the attempt."""
        began = time.monotonic()
        with RUNS_HELD.track_inprogress():
            outcome = "cancelled"
            try:
                outcome = await self._attempt(held)
            finally:
                RUN_SECONDS.labels(outcome).observe(time.monotonic() - began)

    async def _attempt(self, held: _Held) -> str:
        """Run a run and return how that ended. Where it is stopped, another process may have it."""
        run = None
        try:
            with self._notices.listening(held.on_notice, topics.task(held.run_id)):
                if (run := await self._begin(held)) is None:
                    return "cancelled"
                outcome = await self._outcome(run, held.progress)
        except NoLongerHeldError:
            return "cancelled"
        except asyncio.CancelledError:
            if self._is_closing and run is not None:
                await self._write(held, self._at_close(run, held.progress))
            raise
        await self._write(held, outcome)
        return _name(outcome)

    async def _begin(self, held: _Held) -> HeldRun | None:
        try:
            async with self._database.write(tenant=held.tenant) as connection:
                run = await run_queue.begin(connection, held.run_id)
        except _AWAY as error:  # its lease ends by itself
            _log.warning("a run cannot begin for now: %s", error)
            return None
        if run is not None:
            held.progress.has_changed = run.has_changed
            await self._announce(held.run_id, "working")
        return run

    async def _outcome(self, run: HeldRun, progress: Progress) -> End | Again:
        try:
            return await self._executor.run(run, progress)
        except NoLongerHeldError:
            raise
        except (Problem, *_AWAY) as error:
            _log.warning("a run cannot go on for now: %s", error)
            if progress.has_changed:
                return after_loss(run, progress, "A service that it needs was away while it ran.")
            return Again(_RETRY_SECONDS, counts=False)
        except Exception:  # noqa: BLE001 - a fault in one run is reported to its owner
            _log.exception("a run of %s failed", run.name)
            return End(reason="server", detail="The server failed on this run; its log has the reason.")

    def _at_close(self, run: HeldRun, progress: Progress) -> End | Again:
        if progress.has_changed:
            return after_loss(run, progress, "The server stopped before the run ended.")
        return Again(0, counts=False)

    async def _write(self, held: _Held, outcome: End | Again) -> None:
        """Write what became of a run, once PostgreSQL is there, as long as this process holds the run."""
        while True:
            try:
                if isinstance(outcome, End):
                    await self._end(held, outcome)
                else:
                    await self._put_back(held, outcome)
            except _AWAY as error:
                _log.warning("what became of a run cannot be written for now: %s", error)
            else:
                return
            if self._is_closing or time.monotonic() > held.until - _SPARE_SECONDS:
                _log.error("what became of a run could not be written: another process decides")
                return
            await asyncio.sleep(_RETRY_SECONDS)

    async def _end(self, held: _Held, end: End) -> None:
        async with self._database.unit_of_work(tenant=held.tenant) as work:
            if not await run_queue.leave(work.connection, self._executor.holder, held.run_id):
                return
            await run_repository.end(work.connection, held.run_id, end)
        await self._announce(held.run_id, "failed" if end.has_failed else "completed")

    async def _put_back(self, held: _Held, again: Again) -> None:
        async with self._database.unit_of_work(tenant=held.tenant) as work:
            await run_queue.put_back(
                work.connection, self._executor.holder, held.run_id, seconds=again.seconds, counts=again.counts
            )
        await self._announce(held.run_id, "working")

    async def _announce(self, run_id: str, status: str) -> None:
        try:
            await self._notices.publish(topics.task(run_id), status=status)
        except (RedisUnavailableError, PoolExhaustedError) as error:
            _log.warning("news of a run were not announced: %s", error)
            self._notices.deliver(topics.task(run_id), {"status": status})


def _name(outcome: End | Again) -> str:
    return "queued" if isinstance(outcome, Again) else outcome.reason or "finished"
