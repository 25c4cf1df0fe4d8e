"""Applies the files of a package to a database, in the order in which they build on each other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from dataflow_service.schema import catalogue, drift, executor, guards, planner, repository
from dataflow_service.schema.changes import changed
from dataflow_service.schema.errors import RollbackUnfinishedError
from dataflow_service.schema.files.errors import (
    AppliedFileChangedError,
    AppliedFileMissingError,
    DatabaseDiffersError,
    NotAdoptableError,
    PartlyReplacedError,
    UnfinishedPlanError,
)
from dataflow_service.schema.files.file import MigrationFile, Replaced
from dataflow_service.schema.files.folder import Folder
from dataflow_service.schema.migration import Migration, State
from dataflow_service.schema.sessions import Sessions
from dataflow_service.schema.tables import declared
from nexus_chassis.settings import PostgresSettings

_IN_EFFECT = frozenset({State.APPLYING, State.APPLIED})


@dataclass(slots=True)
class _Book:
    """Which files a database has applied: `squashed` are those of which it has applied all that they replace."""

    folder: Folder
    applied: Mapping[str, Migration]
    squashed: Sequence[str]
    unfinished: Migration | None

    @property
    def names(self) -> set[str]:
        """The files that are in effect."""
        finished = {name for name, migration in self.applied.items() if migration.state is State.APPLIED}
        return (finished | set(self.squashed)) & self.folder.files.keys()

    @property
    def pending(self) -> list[MigrationFile]:
        """The files to apply, one that was interrupted first."""
        names = self.names
        files = [file for name, file in self.folder.files.items() if name not in names]
        return sorted(files, key=lambda file: file.name not in self.applied)


class FileMigrations:
    """The files of a package in a database.

    Every method raises DatabaseUnavailableError while PostgreSQL is away or lacks the service's own tables, and MigrationError
    where what the database has applied are not these files.
    """

    def __init__(self, settings: PostgresSettings, folder: Folder) -> None:
        self._sessions = Sessions(settings)
        self._folder = folder

    async def apply(self, *, destructive: bool) -> list[Migration]:
        """Apply the files that are not applied yet, or go on with one; return their plans.

        Raises:
            DestructiveStepsError: Data would be lost, and `destructive` is false. Nothing was changed.
            RowsLackValueError: A new column needs a default. Files before that one are applied.
            MigrationRunningError: Another process changes tables now.
            TableLockedError, StepFailedError, StepTooSlowError: A step was not done. Files before that one are applied.
        """
        async with self._sessions.changing() as connection:
            book = _book(self._folder, await repository.read_migrations(connection))
            await self._mark_squashed(connection, book)
            steps = [step for file in book.pending for step in file.steps]
            guards.refuse_losses(steps, destructive=destructive)
            names, done = book.names, []
            for file in book.pending:
                migration = book.unfinished or await self._add(connection, file, names)
                book.unfinished = None
                done.append(await executor.finish(connection, migration, executor.forward(migration), State.APPLIED))
                names.add(file.name)
            return done

    async def adopt(self) -> list[Migration]:
        """Mark all files as applied, because the tables are as they declare; raises NotAdoptableError where they are not."""
        async with self._sessions.changing() as connection:
            book = _book(self._folder, await repository.read_migrations(connection))
            if book.unfinished:
                raise UnfinishedPlanError(book.unfinished.checksum)
            wanted = self._folder.schema()
            actual = await catalogue.read_schema(connection, wanted)
            if steps := planner.steps_between(actual, wanted, declared(wanted)):
                raise NotAdoptableError(steps)
            async with connection.transaction():
                await self._mark_squashed(connection, book)
                return [await self._mark(connection, file, book) for file in book.pending]

    async def check(self) -> None:
        """Raise DatabaseDiffersError where files are pending, or the tables are not as those that are applied declare."""
        async with self._sessions.reading() as connection:
            book = _book(self._folder, await repository.read_migrations(connection))
            baseline = self._folder.schema(book.names)
            found = drift.differences(await catalogue.read_schema(connection, baseline), baseline)
        interrupted = {book.unfinished.file: " (interrupted)"} if book.unfinished else {}
        lines = [f"pending: {file.name}{interrupted.get(file.name, '')}" for file in book.pending]
        if lines or found:
            raise DatabaseDiffersError([*lines, *(f"drift: {drift.text(one)}" for one in found)])

    async def _add(self, connection: asyncpg.Connection, file: MigrationFile, names: set[str]) -> Migration:
        before = self._folder.schema(names)
        after = changed(before, file.changes)
        await guards.refuse_unfillable(connection, before, after)
        return await repository.add_migration(
            connection, file.steps, after, file=file.name, file_checksum=file.checksum
        )

    async def _mark(self, connection: asyncpg.Connection, file: MigrationFile, book: _Book) -> Migration:
        """Write that a file is applied, as if its steps had run: they can be rolled back."""
        before = {other.name for other in book.pending[: book.pending.index(file)]}
        tables = self._folder.schema(book.names | before | {file.name})
        migration = await repository.add_migration(
            connection, file.steps, tables, file=file.name, file_checksum=file.checksum
        )
        await repository.set_progress(connection, migration, {}, len(file.steps))
        return await repository.set_state(connection, migration, State.APPLIED)

    async def _mark_squashed(self, connection: asyncpg.Connection, book: _Book) -> None:
        """Write that squashed files are applied. They have no steps then: what they stand for is not rolled back."""
        for file in (self._folder[name] for name in book.squashed):
            tables = self._folder.schema(book.names)
            async with connection.transaction():
                await repository.replace_migrations(connection, list(_leaves(file.replaces)))
                migration = await repository.add_migration(
                    connection, (), tables, file=file.name, file_checksum=file.checksum
                )
                await repository.set_state(connection, migration, State.APPLIED)


def _book(folder: Folder, migrations: Sequence[Migration]) -> _Book:
    """Return what the ledger says about files; raises MigrationError where it does not fit them."""
    last = migrations[0] if migrations else None
    if last and last.state is State.ROLLING_BACK:
        raise RollbackUnfinishedError(last.checksum)
    unfinished = last if last and last.state is State.APPLYING else None
    if unfinished and unfinished.file is None:
        raise UnfinishedPlanError(unfinished.checksum)
    applied = {one.file: one for one in migrations if one.file is not None and one.state in _IN_EFFECT}
    _refuse_strangers(folder, applied)
    squashed = [name for name, file in folder.files.items() if name not in applied and _is_replaced(file, applied)]
    return _Book(folder, applied, squashed, unfinished)


def _refuse_strangers(folder: Folder, applied: Mapping[str, Migration]) -> None:
    known = {name: file.checksum for name, file in folder.files.items()}
    for file in folder.files.values():
        known |= _leaves(file.replaces)
    for name, migration in applied.items():
        if name not in known:
            raise AppliedFileMissingError(name)
        if migration.file_checksum != known[name]:
            raise AppliedFileChangedError(name, str(migration.file_checksum), known[name])


def _leaves(replaces: Mapping[str, Replaced]) -> dict[str, str]:
    """Return the checksums of files that were replaced, at once or by what was replaced later, by name."""
    found = {name: one.checksum for name, one in replaces.items()}
    for one in replaces.values():
        found |= _leaves(one.replaces)
    return found


def _is_replaced(file: MigrationFile, applied: Mapping[str, Migration]) -> bool:
    """Whether all that a file replaces is applied; raises PartlyReplacedError where some of it is."""
    found = dict(_states(file.replaces, applied))
    if any(found.values()) and not all(found.values()):
        done = [name for name, is_applied in found.items() if is_applied]
        raise PartlyReplacedError(file.name, done, [name for name in found if name not in done])
    return bool(found) and all(found.values())


def _states(replaces: Mapping[str, Replaced], applied: Mapping[str, Migration]) -> Iterator[tuple[str, bool]]:
    for name, one in replaces.items():
        migration = applied.get(name)
        if migration is None and one.replaces:
            yield from _states(one.replaces, applied)
        else:
            yield name, migration is not None and migration.state is State.APPLIED
