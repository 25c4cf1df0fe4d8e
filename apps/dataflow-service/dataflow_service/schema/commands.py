"""`migrate plan|apply|rollback|status` of the command line: each returns the lines to print."""

from collections.abc import Iterator

from dataflow_service.registry import loader
from dataflow_service.schema import steps as steps_of
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.migration import Migration
from dataflow_service.schema.service import MigrationService, Plan, Status
from dataflow_service.schema.steps import Work
from nexus_chassis.settings import PostgresSettings


def migrations(settings: PostgresSettings, models: str) -> MigrationService:
    """Return the migrations of the models of a package."""
    return MigrationService(settings, desired_schema(loader.load(models)))


async def plan(service: MigrationService) -> list[str]:
    """Return a plan with the sizes of the tables that it reads or rewrites, and its checksum."""
    found = await service.plan()
    if not found.steps:
        return ["The tables are as the models declare them.", f"checksum: {found.checksum}"]
    return [steps_of.text(found.steps), *_sizes(found), *_notes(found), f"checksum: {found.checksum}"]


def _sizes(found: Plan) -> Iterator[str]:
    costly = {step.table for step in found.steps if step.work is not Work.CATALOGUE} & found.tables.keys()
    for table in (found.tables[name] for name in sorted(costly)):
        rows = "an unknown number of" if table.rows is None else f"about {table.rows}"
        yield f"-- {table.name}: {rows} rows, {table.size} bytes"


def _notes(found: Plan) -> Iterator[str]:
    if found.unfinished:
        yield "-- Some of these steps are in effect: apply the plan again, or roll it back."


async def apply(service: MigrationService, checksum: str, *, destructive: bool) -> list[str]:
    """Apply the plan with a checksum."""
    return [_line(await service.apply(checksum, destructive=destructive))]


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


def _line(migration: Migration) -> str:
    at = migration.rolled_back_at or migration.applied_at or migration.started_at
    progress = f"{migration.done} of {len(migration.steps)} steps in effect"
    return f"{migration.checksum} {migration.state} {at.isoformat()}, {progress}"
