"""Reads workflows and their versions."""

from dataclasses import dataclass

import asyncpg

from mcp_server.tools.tenants import tenant_of
from mcp_server.workflows import repository
from mcp_server.workflows.errors import WorkflowNotFoundError
from mcp_server.workflows.models import AboutVersion, AboutWorkflow, Move, Version
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database

MAX_MOVES = 100
"""Moves of an alias that are shown."""


@dataclass(frozen=True, slots=True)
class WorkflowReader:
    """The workflows of the tenants. Methods raise DatabaseUnavailableError and PoolExhaustedError.

    Those on a workflow or a version raise WorkflowNotFoundError where there is none.
    """

    database: Database

    async def workflows(self, principal: Principal, after: str, limit: int) -> list[AboutWorkflow]:
        """Return up to `limit` workflows whose names come after a name."""
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            return await repository.list_workflows(connection, after, limit)

    async def workflow(self, principal: Principal, name: str) -> AboutWorkflow:
        """Return a workflow."""
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            if (found := await repository.find_workflow(connection, name)) is None:
                raise WorkflowNotFoundError(name)
            return found

    async def versions(self, principal: Principal, name: str) -> list[AboutVersion]:
        """Return the versions of a workflow, the newest first."""
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            if not (found := await repository.list_versions(connection, name)):
                raise WorkflowNotFoundError(name)
            return found

    async def version(self, principal: Principal, name: str, version: int) -> Version:
        """Return a version of a workflow."""
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            return await find_version(connection, name, version)

    async def alias(self, principal: Principal, name: str, alias: str) -> tuple[int, list[Move]]:
        """Return the version that an alias names, and its newest moves."""
        async with self.database.unit_of_work(principal, tenant=tenant_of(principal)) as work:
            version = await find_alias(work.connection, name, alias)
            return version, await repository.list_moves(work.connection, name, alias, MAX_MOVES)


async def find_version(connection: asyncpg.Connection, name: str, version: int) -> Version:
    """Return a version; raises WorkflowNotFoundError."""
    if (found := await repository.find_version(connection, name, version)) is None:
        raise WorkflowNotFoundError(name, f"version {version}")
    return found


async def find_alias(connection: asyncpg.Connection, name: str, alias: str) -> int:
    """Return the version that an alias names; raises WorkflowNotFoundError."""
    if (version := await repository.find_alias(connection, name, alias)) is None:
        raise WorkflowNotFoundError(name, f"alias {alias!r}")
    return version
