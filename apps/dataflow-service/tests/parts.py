"""A table `parts`, as models would declare it, and an engine that migrates to what a test declares."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import asyncpg

from dataflow_service.schema.migration import Migration
from dataflow_service.schema.service import MigrationService, Plan, Status
from dataflow_service.schema.tables import Check, Column, Index, Schema, Table
from nexus_chassis.settings import PostgresSettings

ID = Column("id", "bigint", nullable=False)
NAME = Column("name", "text", nullable=False)

WRITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND backend_xid IS NOT NULL"
"""How many transactions have written, whether a statement of theirs runs at the moment or not."""


def parts(*columns: Column, indexes: Iterable[Index] = (), checks: Iterable[Check] = ()) -> Schema:
    """A schema with the table `parts`: an id, a name, and the columns given."""
    declared = {column.name: column for column in (ID, NAME, *columns)}
    by_name = {check.name: check for check in checks}
    return {"parts": Table("parts", declared, {index.name: index for index in indexes}, by_name)}


class Engine:
    """The migrations of a database, each time to the schema given."""

    def __init__(self, settings: PostgresSettings) -> None:
        self._settings = settings

    def of(self, schema: Schema) -> MigrationService:
        return MigrationService(self._settings, schema)

    async def plan(self, schema: Schema) -> Plan:
        return await self.of(schema).plan()

    async def apply(self, schema: Schema, *, destructive: bool = False) -> Migration:
        service = self.of(schema)
        return await service.apply((await service.plan()).checksum, destructive=destructive)

    async def rollback(self, *, destructive: bool = False) -> Migration:
        return await self.of({}).rollback(None, destructive=destructive)

    async def status(self, schema: Schema) -> Status:
        return await self.of(schema).status()


async def indexes_of_parts(database: asyncpg.Connection) -> list[tuple[str, bool]]:
    """The indexes of the table, by name, each with whether it is valid."""
    found = await database.fetch(
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'parts'::regclass ORDER BY 1"
    )
    return [tuple(row) for row in found]


async def until(read: Callable[[], Awaitable[object]], expected: object) -> None:
    """Wait until what is read is as expected."""
    for _ in range(200):
        if await read() == expected:
            return
        await asyncio.sleep(0.1)
    assert await read() == expected
