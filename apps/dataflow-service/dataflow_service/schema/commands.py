"""`migrate` of the command line: each action returns the lines to print."""

from collections.abc import Iterator

from dataflow_service.registry import loader
from dataflow_service.schema import drift
from dataflow_service.schema import steps as steps_of
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.files.author import Author, Written
from dataflow_service.schema.files.errors import NoFilesError
from dataflow_service.schema.files.folder import folder_of, read
from dataflow_service.schema.files.service import FileMigrations
from dataflow_service.schema.migration import Migration
from dataflow_service.schema.service import MigrationService, Plan, Status
from dataflow_service.schema.steps import Step, Work
from nexus_chassis.settings import PostgresSettings


def migrations(settings: PostgresSettings, models: str) -> MigrationService:
    """Return the migrations of the models of a package."""
    return MigrationService(settings, desired_schema(loader.load(models)))


def author(models: str) -> Author:
    """Return the writer of the files of a package of models."""
    return Author(models, desired_schema(loader.load(models)))


async def plan(service: MigrationService) -> list[str]:
    """Return a plan with the sizes of the tables that it reads or rewrites, and its checksum."""
    found = await service.plan()
    if not found.steps:
        return ["The tables are as the models declare them.", f"checksum: {found.checksum}"]
    text = steps_of.text(found.steps, lambda step: _size(found, step))
    return [text, *_notes(found), f"checksum: {found.checksum}"]


def _size(found: Plan, step: Step) -> str:
    table = found.tables.get(step.table)
    if step.work is Work.CATALOGUE or table is None:
        return ""
    rows = "an unknown number of" if table.rows is None else f"about {table.rows}"
    return f" ({rows} rows, {table.size} bytes)"


def _notes(found: Plan) -> Iterator[str]:
    if found.unfinished:
        yield "-- Some of these steps are in effect: apply the plan again, or roll it back."


async def apply(service: MigrationService, checksum: str, *, destructive: bool) -> list[str]:
    """Apply the plan with a checksum."""
    return [_line(await service.apply(checksum, destructive=destructive))]


async def apply_files(settings: PostgresSettings, models: str, *, destructive: bool, adopt: bool) -> list[str]:
    """Apply the files that are not applied yet; with `adopt` mark them as applied."""
    folder = read(folder_of(models))
    if not folder.files:
        raise NoFilesError(models)
    service = FileMigrations(settings, folder)
    done = await (service.adopt() if adopt else service.apply(destructive=destructive))
    return [*map(_line, done), f"The files are applied: {len(done)} of {len(folder.files)} now."]


async def rollback(service: MigrationService, checksum: str | None, *, destructive: bool) -> list[str]:
    """Undo the last plan."""
    return [_line(await service.rollback(checksum, destructive=destructive))]


async def status(service: MigrationService) -> list[str]:
    """Return the plans of the ledger, what is pending, and drift."""
    return list(_status(await service.status()))


def _status(found: Status) -> Iterator[str]:
    yield from map(_line, found.migrations)
    yield from (f"pending: {step.statement}" for step in found.pending)
    yield from (f"unknown table: {name}" for name in found.unknown_tables)
    yield from (f"unknown column: {name}" for name in found.unknown_columns)
    yield from (f"drift: {drift.text(difference)}" for difference in found.differences)


def _line(migration: Migration) -> str:
    at = migration.rolled_back_at or migration.applied_at or migration.started_at
    progress = f"{migration.done} of {len(migration.steps)} steps in effect"
    file = "" if migration.file is None else f", file {migration.file}"
    return f"{migration.checksum} {migration.state} {at.isoformat()}, {progress}{file}"


def make(models: str, words: str) -> list[str]:
    """Write what the models declare and no file does into a file."""
    written = author(models).make(words)
    return ["The files declare what the models do: nothing was written."] if written is None else _written(written)


def merge(models: str, name: str) -> list[str]:
    """Make a file again behind all others."""
    written = author(models).merge(name)
    return (
        [f"The other files declare what the models do: {name} was removed."] if written is None else _written(written)
    )


def squash(models: str, name: str) -> list[str]:
    """Replace a file and those that it builds on by one."""
    return _written(author(models).squash(name))


def seal(models: str, name: str) -> list[str]:
    """Give a file that was edited its checksum."""
    return [f"wrote {author(models).seal(name)}"]


async def check(settings: PostgresSettings | None, models: str) -> list[str]:
    """Check that files, models and, where there are settings of one, the database fit together."""
    folder = author(models).check()
    if settings is not None:
        await FileMigrations(settings, folder).check()
    return [f"Checked: {len(folder.files)} files, the models{'' if settings is None else ', the database'}."]


def _written(written: Written) -> list[str]:
    steps = steps_of.text(written.file.steps)
    return [steps, *(f"removed {name}" for name in written.removed), f"wrote {written.path}"]
