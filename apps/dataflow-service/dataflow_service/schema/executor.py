"""Runs the steps of a plan, forward or back, and writes down after each how far it is.

Neighbours that share a transaction take effect together, with the entry in the ledger. A step outside a transaction can
be repeated: what a former try left is found and removed first.
"""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg

from dataflow_service.registry.quoting import quote
from dataflow_service.schema import repository, steps
from dataflow_service.schema.errors import MigrationError, StepFailedError, StepTooSlowError, TableLockedError
from dataflow_service.schema.migration import Migration, Progress, State
from dataflow_service.schema.repository import LOCK_SECONDS
from dataflow_service.schema.steps import VALIDATE_FOREIGN_KEY, Step, Transaction

_STEP_SECONDS = 3600.0
_PAGES = 1000  # of a batch: 8 MB
_AWAY = (asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError, asyncpg.InsufficientResourcesError)


@dataclass(frozen=True, slots=True)
class Move:
    """A step to run, if there is one, after which `done` steps of the plan are in effect."""

    step: Step | None
    done: int


def forward(migration: Migration) -> list[Move]:
    """Return the moves that apply the rest of a plan."""
    return [Move(step, number) for number, step in enumerate(migration.steps, 1) if number > migration.done]


def backward(migration: Migration) -> list[Move]:
    """Return the moves that undo the steps in effect, the last one first, and one that may be half done before them."""
    rest = migration.steps[migration.done :]
    half_done = bool(rest) and rest[0].transaction is Transaction.NONE
    return [Move(migration.steps[number].undo, number) for number in reversed(range(migration.done + half_done))]


async def finish(
    connection: asyncpg.Connection,
    migration: Migration,
    moves: Sequence[Move],
    state: State,
    *,
    unattended: bool = False,
) -> Migration:
    """Run moves and write down the state that follows.

    A plan of which nothing took effect leaves the ledger, unless it is `unattended`: its error is read there then.

    Raises:
        TableLockedError: A table is in use; the moves before this one and its neighbours stand.
        StepFailedError: PostgreSQL refuses a step; the same holds.
        StepTooSlowError: A step was cancelled, and may be half done.
    """
    log = _Log(connection, migration)
    try:
        await _run(connection, migration, moves, log)
    except MigrationError as error:
        await log.fail(error)
        if not isinstance(error, StepTooSlowError):
            await repository.end_unstarted(connection, migration, kept=unattended)
        raise
    return await repository.set_state(connection, migration, state)


async def _run(connection: asyncpg.Connection, migration: Migration, moves: Sequence[Move], log: "_Log") -> None:
    done = migration.done
    for group in _groups(moves):
        step, outcome = group[0].step, _outcome(migration, done)
        await log.begin(group[0])
        if step is not None and step.transaction is Transaction.NONE:
            await _run_alone(connection, step, outcome)
            log.stop(group[0])
            await log.write(done=group[0].done)
        else:
            async with connection.transaction():
                for move in group:
                    log.start(move)
                    await _run_step(connection, move.step, outcome)
                    log.stop(move)
                await log.write(done=group[-1].done)
        done = group[-1].done


@dataclass(slots=True)
class _Log:
    """Writes down how the steps of a plan go; those of a rollback are counted only."""

    connection: asyncpg.Connection
    migration: Migration
    entries: dict[int, Progress] = field(default_factory=dict)
    running: int = 0
    started: float = 0.0

    async def begin(self, move: Move) -> None:
        """Write that a step is running, or the first of those that share a transaction."""
        self.entries = {}
        self.start(move)
        await self.write()

    def start(self, move: Move) -> None:
        self.running, self.started = move.done, time.perf_counter()
        self.entries[self.running] = Progress(datetime.now(UTC))

    def stop(self, move: Move) -> None:
        seconds = round(time.perf_counter() - self.started, 3)
        self.entries[move.done] = replace(self.entries[move.done], seconds=seconds)

    async def fail(self, error: MigrationError) -> None:
        """Write why the step that was running failed."""
        if self.running in self.entries:
            self.entries = {self.running: replace(self.entries[self.running], error=str(error))}
            await self.write()

    async def write(self, *, done: int | None = None) -> None:
        """Write what was noted, and how many steps are in effect now, in their transaction where they have one."""
        entries = self.entries if self.migration.state is State.APPLYING else {}
        await repository.set_progress(self.connection, self.migration, entries, done)


def _outcome(migration: Migration, done: int) -> str:
    if migration.state is State.APPLYING and done == 0:
        filling = migration.steps[:1] and migration.steps[0].action == "backfill"
        return "Rows that were filled keep their values." if filling else "Nothing was changed."
    again = "roll back again" if migration.state is State.ROLLING_BACK else "apply the same plan again, or roll it back"
    return f"{done} of {len(migration.steps)} steps are in effect: remove the cause, then {again}."


def _groups(moves: Sequence[Move]) -> Iterator[list[Move]]:
    group: list[Move] = []
    for move in moves:
        if group and not (_is_shared(move) and _is_shared(group[-1])):
            yield group
            group = []
        group.append(move)
    if group:
        yield group


def _is_shared(move: Move) -> bool:
    return move.step is None or move.step.transaction is Transaction.SHARED


async def _run_step(connection: asyncpg.Connection, step: Step | None, outcome: str) -> None:
    if step is not None:
        with _refusals(step, outcome):
            await connection.execute(step.statement, timeout=_STEP_SECONDS)


async def _run_alone(connection: asyncpg.Connection, step: Step, outcome: str) -> None:
    with _refusals(step, outcome):
        match step.action:
            case "backfill":
                await _fill(connection, step)
            case "create index":
                await _create_index(connection, step)
            case _:  # an index is dropped; it waits for others as the making of one does
                async with _no_lock_timeout(connection):
                    await connection.execute(step.statement, timeout=_STEP_SECONDS)


async def _fill(connection: asyncpg.Connection, step: Step) -> None:
    """Fill by ranges of pages: rows that are written meanwhile are no concern, their new versions have a value."""
    tenants = await repository.tenants(connection, step.table)
    for first in range(0, await repository.pages(connection, step.table), _PAGES):
        for tenant in tenants:
            await repository.act_for(connection, tenant)
            await connection.execute(step.statement, (first, 0), (first + _PAGES, 0), timeout=_STEP_SECONDS)


async def _create_index(connection: asyncpg.Connection, step: Step) -> None:
    """Make an index, unless it is there. It waits for the transactions of others, and blocks nobody while it does."""
    valid = await repository.index_is_valid(connection, step.table, step.index)
    if valid:
        return
    if valid is False:
        await _drop_invalid_index(connection, step)
    try:
        async with _no_lock_timeout(connection):
            await connection.execute(step.statement, timeout=_STEP_SECONDS)
    except asyncpg.PostgresError:
        if await repository.index_is_valid(connection, step.table, step.index) is False:
            await _drop_invalid_index(connection, step)
        raise


async def _drop_invalid_index(connection: asyncpg.Connection, step: Step) -> None:
    async with _no_lock_timeout(connection):
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {quote(step.index)}", timeout=_STEP_SECONDS)


@asynccontextmanager
async def _no_lock_timeout(connection: asyncpg.Connection) -> AsyncIterator[None]:
    await connection.execute("SET lock_timeout = 0")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute(f"SET lock_timeout = '{LOCK_SECONDS:g}s'")


@contextmanager
def _refusals(step: Step, outcome: str) -> Iterator[None]:
    """Translate what PostgreSQL refuses."""
    try:
        yield
    except _AWAY:
        raise
    except TimeoutError as error:
        raise StepTooSlowError(step, _STEP_SECONDS) from error
    except asyncpg.LockNotAvailableError as error:
        raise TableLockedError(step, LOCK_SECONDS, outcome) from error
    except asyncpg.PostgresError as error:
        raise StepFailedError(step, _reason(step, error), outcome) from error


def _reason(step: Step, error: asyncpg.PostgresError) -> str:
    """PostgreSQL's own texts about values are left out: they quote rows."""
    columns = ", ".join(map(quote, step.columns))
    match error:
        case asyncpg.UniqueViolationError():
            query = f"SELECT {columns} FROM {quote(step.table)} GROUP BY {columns} HAVING count(*) > 1"  # noqa: S608 - a text
            return f"rows have the same {columns}; find them by `{query}`"
        case asyncpg.ForeignKeyViolationError() if step.action == VALIDATE_FOREIGN_KEY:
            return f"rows of {quote(step.table)} refer by {columns} to rows that are not there"
        case asyncpg.CheckViolationError() | asyncpg.NotNullViolationError():
            return f"rows of {quote(step.table)} {_what_is_wrong(step.action, step.table, columns)}"
        case asyncpg.DataError():
            return f"a value of {columns} cannot be converted ({type(error).__name__})"
    return str(error)


def _what_is_wrong(action: str, table: str, columns: str) -> str:
    match action:
        case steps.VALIDATE_TEXTS:
            query = f"SELECT DISTINCT {columns} FROM {quote(table)}"  # noqa: S608 - a text
            return f"have texts in {columns} that are not declared; find them by `{query}`"
        case steps.DROP_MARK:
            return f"are deleted, which {columns} says, and would be there again; restore them, or delete them by SQL"
    return f"have null in {columns}"
