"""Plans what the tables of the models lack, applies it, and takes it back."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from dataflow_service.schema import catalogue, drift, executor, guards, planner, repository
from dataflow_service.schema import steps as steps_of
from dataflow_service.schema.changes import load_schema
from dataflow_service.schema.drift import Difference
from dataflow_service.schema.errors import (
    ChecksumMismatchError,
    DestructiveStepsError,
    IrreversibleError,
    MigrationError,
    NothingToRollBackError,
    RollbackUnfinishedError,
)
from dataflow_service.schema.migration import Migration, State
from dataflow_service.schema.sessions import Sessions
from dataflow_service.schema.steps import Steps
from dataflow_service.schema.tables import Declared, Schema, declared
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.settings import PostgresSettings

_log = logging.getLogger(__name__)
_NOTHING = Declared(tables={}, indexes=())


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps to apply, and the tables as they are now. `unfinished`: some are in effect already."""

    steps: Steps
    tables: Schema
    unfinished: bool

    @property
    def checksum(self) -> str:
        """What `apply` takes."""
        return steps_of.checksum(self.steps)


@dataclass(frozen=True, slots=True)
class Status:
    """The plans of the ledger, the last one first; whether somebody changes tables now; what is pending.

    Tables and columns that nobody declared; what is not as the last plan declared it, nothing while a plan is unfinished.
    """

    migrations: Sequence[Migration]
    running: bool
    pending: Steps
    unknown_tables: Sequence[str]
    unknown_columns: Sequence[str]
    differences: Sequence[Difference]


class MigrationService:
    """The migrations of the tables of `desired`, as the owner of the schema.

    Every method raises DatabaseUnavailableError while PostgreSQL is away or lacks the service's own tables.
    """

    def __init__(self, settings: PostgresSettings, desired: Schema) -> None:
        self._sessions = Sessions(settings)
        self._desired = desired
        self._begun: set[asyncio.Task[Migration]] = set()

    async def plan(self) -> Plan:
        """Return what is to be done; the rest of an unfinished plan comes first.

        Raises:
            RowsLackValueError: A new column needs a default.
            RollbackUnfinishedError: A rollback comes first.
        """
        async with self._sessions.reading() as connection:
            return await self._plan(connection, await repository.read_migrations(connection))

    async def apply(self, checksum: str, *, destructive: bool) -> Migration:
        """Apply the plan with a checksum, or go on with it; where nothing is to be done, return the last plan.

        Raises:
            ChecksumMismatchError: This is not the plan now.
            DestructiveStepsError: It would lose data, and `destructive` is false.
            MigrationRunningError: Another process changes tables now.
            TableLockedError: A table stayed in use.
            StepFailedError: PostgreSQL refuses a step.
            StepTooSlowError: A step took longer than an hour.
        """
        return await self._apply(checksum, destructive=destructive, on_begun=None)

    async def begin(self, checksum: str, *, destructive: bool) -> Migration:
        """Begin to apply the plan with a checksum; return what the ledger has of it then. The rest goes on within `working`.

        Raises what `apply` does before its first step. What fails later is in the ledger.
        """
        begun: asyncio.Future[Migration] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._apply(checksum, destructive=destructive, on_begun=begun.set_result))
        self._begun.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait({task, begun}, return_when=asyncio.FIRST_COMPLETED)
        return begun.result() if begun.done() else await task

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Context manager at whose end the plans that were begun are cancelled: they can be gone on with."""
        try:
            yield
        finally:
            for task in self._begun:
                task.cancel()
            if self._begun:
                await asyncio.wait(set(self._begun))

    def _ended(self, task: "asyncio.Task[Migration]") -> None:
        self._begun.discard(task)
        if task.cancelled():
            _log.warning("a plan was interrupted because the service ends: apply it again to go on with it")
        elif (error := task.exception()) is not None:
            known = isinstance(error, (MigrationError, DatabaseUnavailableError))
            _log.warning("a plan was not applied: %s", error, exc_info=None if known else error)

    async def _apply(
        self, checksum: str, *, destructive: bool, on_begun: Callable[[Migration], None] | None
    ) -> Migration:
        async with self._sessions.changing() as connection:
            migrations = await repository.read_migrations(connection)
            plan = await self._plan(connection, migrations)
            if checksum != plan.checksum:
                raise ChecksumMismatchError(checksum, plan.checksum)
            guards.refuse_losses(plan.steps, destructive=destructive)
            if not plan.steps and (last := _last_applied(migrations)) and last.declared == declared(self._desired):
                return last
            unfinished = migrations[0] if plan.unfinished else None
            migration = unfinished or await repository.add_migration(connection, plan.steps, self._desired)
            if on_begun is not None:
                on_begun(migration)
            moves = executor.forward(migration)
            return await executor.finish(connection, migration, moves, State.APPLIED, unattended=on_begun is not None)

    async def rollback(self, checksum: str | None, *, destructive: bool) -> Migration:
        """Undo the steps of the last plan that has any in effect; `checksum`, if there is one, must be its.

        Raises:
            NothingToRollBackError: There is no such plan.
            ChecksumMismatchError: The last plan is another one.
            IrreversibleError: The plan dropped data.
            DestructiveStepsError: Rows would lose data, and `destructive` is false.
            MigrationRunningError: Another process changes tables now.
            TableLockedError: A table stayed in use.
            StepFailedError: PostgreSQL refuses a step.
            StepTooSlowError: A step took longer than an hour.
        """
        async with self._sessions.changing() as connection:
            migration = _last_with_steps(await repository.read_migrations(connection))
            if checksum not in {None, migration.checksum}:
                raise ChecksumMismatchError(str(checksum), migration.checksum)
            await _check_undo(connection, migration, destructive=destructive)
            migration = await repository.set_state(connection, migration, State.ROLLING_BACK)
            return await executor.finish(connection, migration, executor.backward(migration), State.ROLLED_BACK)

    async def status(self) -> Status:
        """Return what was applied, what is pending, what nobody declared, and what was changed by hand."""
        async with self._sessions.reading() as connection:
            migrations = await repository.read_migrations(connection)
            running = await repository.is_locked(connection)
            actual = await catalogue.read_schema(connection, self._desired)
            differences = await self._differences(connection, migrations, actual)
        known = _known(migrations)
        return Status(
            migrations,
            running,
            planner.steps_between(actual, self._desired, known),
            planner.unknown_tables(actual, self._desired, known),
            planner.unknown_columns(actual, self._desired, known),
            differences,
        )

    async def _differences(
        self, connection: asyncpg.Connection, migrations: Sequence[Migration], actual: Schema
    ) -> Sequence[Difference]:
        """Before the first plan, the tables that there are are compared with what the models declare."""
        if not migrations:
            return drift.differences(
                actual, {name: self._desired[name] for name in self._desired.keys() & actual.keys()}
            )
        last = _last_applied(migrations)
        if migrations[0].state in {State.APPLYING, State.ROLLING_BACK} or last is None or last.tables is None:
            return []
        baseline = load_schema(last.tables)
        return drift.differences(await catalogue.read_schema(connection, baseline), baseline)

    async def _plan(self, connection: asyncpg.Connection, migrations: Sequence[Migration]) -> Plan:
        actual = await catalogue.read_schema(connection, self._desired)
        last = migrations[0] if migrations else None
        if last and last.state is State.ROLLING_BACK:
            raise RollbackUnfinishedError(last.checksum)
        if last and last.state is State.APPLYING:
            return Plan(last.steps, actual, unfinished=True)
        await guards.refuse_unfillable(connection, actual, self._desired)
        return Plan(planner.steps_between(actual, self._desired, _known(migrations)), actual, unfinished=False)


async def _check_undo(connection: asyncpg.Connection, migration: Migration, *, destructive: bool) -> None:
    done = migration.steps[: migration.done]
    if any(step.destructive and step.undo is None for step in done):
        raise IrreversibleError(migration.steps)
    undone = [step.undo for step in reversed(done) if step.undo and step.undo.destructive]
    losses = [step for step in undone if await repository.has_rows(connection, step.table)]
    if losses and not destructive:
        raise DestructiveStepsError(losses)


_IN_EFFECT = frozenset({State.APPLYING, State.APPLIED, State.ROLLING_BACK})


def _last_with_steps(migrations: Sequence[Migration]) -> Migration:
    found = next((one for one in migrations if one.steps and one.state in _IN_EFFECT), None)
    if found is None:
        raise NothingToRollBackError
    return found


def _last_applied(migrations: Sequence[Migration]) -> Migration | None:
    return next((one for one in migrations if one.state is State.APPLIED), None)


def _known(migrations: Sequence[Migration]) -> Declared:
    last = _last_applied(migrations)
    return last.declared if last else _NOTHING
