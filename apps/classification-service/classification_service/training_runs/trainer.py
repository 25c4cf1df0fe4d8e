"""A trainer: one of any number of processes that train what waits in the queue.

PostgreSQL holds all that a run needs: one whose trainer is killed is taken up by another from its beginning.
"""

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from classification_service.errors import ClassificationServiceError
from classification_service.model_registry.models import Origin
from classification_service.model_registry.service import NewModel, register
from classification_service.training_runs import repository
from classification_service.training_runs.apart import Result, fit_apart
from classification_service.training_runs.errors import ChildEndedError
from classification_service.training_runs.material import Material
from classification_service.training_runs.models import Claimed, Fit, Labels, Task
from nexus_chassis.background import in_background
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.unit_of_work import Database

POLL_SECONDS = 1.0
SILENT_SECONDS = 20.0
"""A run whose trainer has been silent for so long is taken up by another one."""

MAX_ATTEMPTS = 3
_AWAY = (DatabaseUnavailableError, PoolExhaustedError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many labels a run trains on at most, and how many bytes a model may have."""

    labels: int
    model_bytes: int


class Trainer:
    """Trains one run at a time, and touches the file `heartbeat` while it works."""

    def __init__(self, database: Database, material: Material, fit: Fit, limits: Limits, heartbeat: Path) -> None:
        self._database = database
        self._material = material
        self._fit = fit
        self._limits = limits
        self._heartbeat = heartbeat
        self._name = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._fault = ""

    async def run(self) -> None:
        """Work until the task is cancelled; what was begun then goes back into the queue."""
        async with in_background(self._touch()), in_background(self._show()):
            try:
                while True:
                    if not await self._tell_once(self._train_next):
                        await asyncio.sleep(POLL_SECONDS)
            finally:
                await asyncio.shield(self._leave())

    async def _tell_once(self, work: Callable[[], Awaitable[bool]]) -> bool:
        """Do work; while PostgreSQL is away that is logged once, and it counts as nothing done."""
        before, self._fault = self._fault, ""
        try:
            return await work()
        except _AWAY as error:
            self._fault = str(error)
            if self._fault != before:
                _log.warning("runs of training wait, and go on later: %s", error)
            return False

    async def _touch(self) -> None:
        """Show the health probe that this process goes on, also where PostgreSQL hangs."""
        while True:
            await asyncio.to_thread(self._heartbeat.touch)
            await asyncio.sleep(POLL_SECONDS)

    async def _show(self) -> None:
        """Show whoever asks for runs that there is a trainer."""
        while True:
            try:
                async with self._database.write() as connection:
                    await repository.show(connection, self._name)
            except _AWAY:
                pass  # whoever claims runs tells it
            await asyncio.sleep(POLL_SECONDS)

    async def _leave(self) -> None:
        try:
            async with self._database.write() as connection:
                await repository.leave(connection, self._name)
        except _AWAY as error:
            _log.warning("that this trainer has ended is not recorded: %s", error)

    async def _train_next(self) -> bool:
        """Train a run that nobody else trains; returns whether there was one."""
        async with self._database.unit_of_work() as work:
            claim = f"{self._name}/{uuid4().hex}"
            claimed = await repository.claim(work.connection, claim, timedelta(seconds=SILENT_SECONDS), MAX_ATTEMPTS)
        if claimed is None:
            return False
        _log.info("training begins", extra=_named(claimed))
        try:
            await self._train(claimed)
        except asyncio.CancelledError:
            await asyncio.shield(self._release(claimed))
            raise
        except ClassificationServiceError as error:
            await self._end(claimed, str(error))
        except _AWAY:
            raise  # it is taken up again once it has been silent
        except Exception as error:  # noqa: BLE001  other runs go on
            await self._retry(claimed, error)
        return True

    async def _train(self, claimed: Claimed) -> None:
        """Train a run to its end, or until it is cancelled or taken over."""
        progress = _Share()
        async with self._beating(claimed, progress) as lost:
            fitted = await _unless(lost, self._fit_run(claimed, progress))
        model = None if fitted is None else await self._register(claimed, *fitted)
        if model is None:
            _log.info("training ends, because it was cancelled or taken over", extra=_named(claimed))
        else:
            _log.info("trained the model %s", model, extra=_named(claimed))

    @asynccontextmanager
    async def _beating(self, claimed: Claimed, progress: "_Share") -> AsyncIterator[asyncio.Event]:
        """Context manager that shows that a run goes on; the event is set once it is nobody's or another's."""
        lost = asyncio.Event()

        async def beat() -> None:
            while not lost.is_set():
                try:
                    async with self._database.write() as connection:
                        if not await repository.beat(connection, claimed, progress.value):
                            lost.set()
                except _AWAY as error:
                    _log.warning("how far training is cannot be recorded: %s", error, extra=_named(claimed))
                await asyncio.sleep(POLL_SECONDS)

        async with in_background(beat()):
            yield lost

    async def _fit_run(self, claimed: Claimed, progress: "_Share") -> tuple[Result, Origin]:
        line = claimed.run.line
        taxonomy, titles = await self._material.taxonomy(line)
        labels = await self._labels(claimed, {node.code for node in taxonomy.nodes})
        async with self._database.read() as connection:
            parent = await repository.serving_model(connection, line)
        result = await fit_apart(self._fit, Task(taxonomy, labels.examples, claimed.run.seed, titles), progress.set)
        origin = Origin(
            labels=len(labels.examples),
            generation=labels.generation,
            seed=claimed.run.seed,
            parent=parent,
            created_by=claimed.run.requested_by,
        )
        return result, origin

    async def _labels(self, claimed: Claimed, codes: set[str]) -> Labels:
        """What people decided until now, as much of it as a run takes."""
        async with self._database.read() as connection:
            stored = await repository.labels(connection, claimed.run.line, self._limits.labels)
        known = Labels(stored.generation, [pair for pair in stored.examples if pair[1] in codes])
        async with self._database.write() as connection:
            await repository.begin(connection, claimed, known)
        return known

    async def _register(self, claimed: Claimed, result: Result, origin: Origin) -> str | None:
        """Keep the model and end the run, both or none; returns None where the run is not this trainer's any more.

        Waits for PostgreSQL where it is away.
        """
        while True:
            try:
                async with self._database.unit_of_work() as work:
                    if not await repository.lock(work.connection, claimed):
                        return None
                    model = await register(
                        work,
                        claimed.run.line,
                        NewModel(result.files, result.report),
                        origin,
                        limit=self._limits.model_bytes,
                    )
                    await repository.finish(work.connection, claimed, model)
            except _AWAY as error:
                _log.warning("the model is kept later: %s", error, extra=_named(claimed))
                await asyncio.sleep(POLL_SECONDS)
            else:
                return model

    async def _release(self, claimed: Claimed) -> None:
        try:
            async with self._database.write() as connection:
                await repository.release(connection, claimed)
        except _AWAY as error:
            _log.warning("the run is taken up later: %s", error, extra=_named(claimed))

    async def _end(self, claimed: Claimed, reason: str) -> None:
        _log.warning("the run cannot be done: %s", reason, extra=_named(claimed))
        async with self._database.write() as connection:
            await repository.fail(connection, claimed, reason)

    async def _retry(self, claimed: Claimed, error: Exception) -> None:
        _log.error("training has failed", exc_info=error, extra=_named(claimed))
        reason = str(error) if isinstance(error, ChildEndedError) else f"{type(error).__name__}: {error}"
        async with self._database.write() as connection:
            await repository.retry(connection, claimed, reason, MAX_ATTEMPTS)


async def _unless[T](ended: asyncio.Event, work: Coroutine[None, None, T]) -> T | None:
    """What work gives; None where the event comes first, which cancels it."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.wait({working, waiting})


class _Share:
    """How much is done, from 0 to 1."""

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, share: float) -> None:
        """So much is done now."""
        self.value = min(max(share, 0.0), 1.0)


def _named(claimed: Claimed) -> dict[str, str]:
    return {"run": str(claimed.run.id), "taxonomy": claimed.run.line.taxonomy, "version": claimed.run.line.version}
