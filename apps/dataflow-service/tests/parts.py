"""A table `parts`, as models would declare it, and an engine that migrates to what a test declares."""

from collections.abc import Iterable

from dataflow_service.schema.migration import Migration
from dataflow_service.schema.service import MigrationService, Plan, Status
from dataflow_service.schema.tables import Column, Index, Schema, Table
from nexus_chassis.settings import PostgresSettings

ID = Column("id", "bigint", nullable=False)
NAME = Column("name", "text", nullable=False)


def parts(*columns: Column, indexes: Iterable[Index] = ()) -> Schema:
    """A schema with the table `parts`: an id, a name, and the columns given."""
    declared = {column.name: column for column in (ID, NAME, *columns)}
    return {"parts": Table("parts", declared, {index.name: index for index in indexes})}


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
