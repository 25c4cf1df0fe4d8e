"""Plans what the tables of the models lack, applies it, and takes it back."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from dataflow_service.schema import executor, planner, repository
from dataflow_service.schema import steps as steps_of
from dataflow_service.schema.errors import (
    ChecksumMismatchError,
    DestructiveStepsError,
    IrreversibleError,
    MigrationError,
    MigrationRunningError,
    NothingToRollBackError,
    RollbackUnfinishedError,
    RowsLackValueError,
    StepTooSlowError,
)
from dataflow_service.schema.migration import Migration, State
from dataflow_service.schema.steps import Steps
from dataflow_service.schema.tables import Declared, Schema, declared
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.postgres import connect_as_owner
from nexus_chassis.settings import PostgresSettings

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
    """The plans of the ledger, the last one first; what is pending; tables and columns that nobody declared."""

    migrations: Sequence[Migration]
    pending: Steps
    unknown_tables: Sequence[str]
    unknown_columns: Sequence[str]


class MigrationService:
    """The migrations of the tables of `desired`, as the owner of the schema.

    Every method raises DatabaseUnavailableError while PostgreSQL is away or lacks the service's own tables. At most two
    connections are open: one to read, for which callers take turns, and one to change tables.
    """

    def __init__(self, settings: PostgresSettings, desired: Schema) -> None:
        self._settings = settings
        self._desired = desired
        self._reading = asyncio.Lock()
        self._changing = asyncio.Lock()

    async def plan(self) -> Plan:
        """Return what is to be done; the rest of an unfinished plan comes first.

        Raises:
            RowsLackValueError: A new column needs a default.
            RollbackUnfinishedError: A rollback comes first.
        """
        async with self._session() as connection:
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
        async with self._session(exclusive=True) as connection:
            migrations = await repository.read_migrations(connection)
            plan = await self._plan(connection, migrations)
            _check(plan, checksum, destructive=destructive)
            if not plan.steps and (last := _last_applied(migrations)) and last.declared == declared(self._desired):
                return last
            unfinished = migrations[0] if plan.unfinished else None
            migration = unfinished or await repository.add_migration(connection, plan.steps, declared(self._desired))
            return await self._finish(connection, migration, executor.forward(migration), State.APPLIED)

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
        async with self._session(exclusive=True) as connection:
            migration = _last_with_steps(await repository.read_migrations(connection))
            if checksum not in {None, migration.checksum}:
                raise ChecksumMismatchError(str(checksum), migration.checksum)
            await _check_undo(connection, migration, destructive=destructive)
            migration = await repository.set_state(connection, migration, State.ROLLING_BACK)
            return await self._finish(connection, migration, executor.backward(migration), State.ROLLED_BACK)

    async def status(self) -> Status:
        """Return what was applied, what is pending and what nobody declared."""
        async with self._session() as connection:
            migrations = await repository.read_migrations(connection)
            actual = await repository.read_schema(connection, self._desired)
        known = _known(migrations)
        return Status(
            migrations,
            planner.steps_between(actual, self._desired, known),
            planner.unknown_tables(actual, self._desired, known),
            planner.unknown_columns(actual, self._desired, known),
        )

    @asynccontextmanager
    async def _session(self, *, exclusive: bool = False) -> AsyncIterator[asyncpg.Connection]:
        if exclusive and self._changing.locked():
            raise MigrationRunningError
        turn = self._changing if exclusive else self._reading
        async with turn, connect_as_owner(self._settings) as connection:
            await repository.begin_session(connection)
            if not await repository.has_ledger(connection):
                raise DatabaseUnavailableError("The tables of the service itself are missing: run `migrate` first")
            if exclusive and not await repository.lock(connection):
                raise MigrationRunningError
            yield connection

    async def _plan(self, connection: asyncpg.Connection, migrations: Sequence[Migration]) -> Plan:
        actual = await repository.read_schema(connection, self._desired)
        last = migrations[0] if migrations else None
        if last and last.state is State.ROLLING_BACK:
            raise RollbackUnfinishedError(last.checksum)
        if last and last.state is State.APPLYING:
            return Plan(last.steps, actual, unfinished=True)
        await self._refuse_unfillable(connection, actual)
        return Plan(planner.steps_between(actual, self._desired, _known(migrations)), actual, unfinished=False)

    async def _refuse_unfillable(self, connection: asyncpg.Connection, actual: Schema) -> None:
        columns = defaultdict(list)
        for table, column in planner.new_columns(actual, self._desired):
            if not column.nullable and column.default is None and column.computed is None:
                columns[table.name].append(column.name)
        for name, lacking in columns.items():
            if await repository.has_rows(connection, name):
                raise RowsLackValueError(name, lacking)

    async def _finish(
        self, connection: asyncpg.Connection, migration: Migration, moves: Sequence[executor.Move], state: State
    ) -> Migration:
        try:
            await executor.run(connection, migration, moves)
        except StepTooSlowError:
            raise
        except MigrationError:
            await repository.remove_unstarted(connection, migration)
            raise
        return await repository.set_state(connection, migration, state)


def _check(plan: Plan, checksum: str, *, destructive: bool) -> None:
    if checksum != plan.checksum:
        raise ChecksumMismatchError(checksum, plan.checksum)
    if not destructive and (losses := [step for step in plan.steps if step.destructive]):
        raise DestructiveStepsError(losses)


async def _check_undo(connection: asyncpg.Connection, migration: Migration, *, destructive: bool) -> None:
    done = migration.steps[: migration.done]
    if any(step.destructive and step.undo is None for step in done):
        raise IrreversibleError(migration.steps)
    undone = [step.undo for step in reversed(done) if step.undo and step.undo.destructive]
    losses = [step for step in undone if await repository.has_rows(connection, step.table)]
    if losses and not destructive:
        raise DestructiveStepsError(losses)


def _last_with_steps(migrations: Sequence[Migration]) -> Migration:
    found = next((one for one in migrations if one.steps and one.state is not State.ROLLED_BACK), None)
    if found is None:
        raise NothingToRollBackError
    return found


def _last_applied(migrations: Sequence[Migration]) -> Migration | None:
    return next((one for one in migrations if one.state is State.APPLIED), None)


def _known(migrations: Sequence[Migration]) -> Declared:
    last = _last_applied(migrations)
    return last.declared if last else _NOTHING
