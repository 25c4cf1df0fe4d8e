"""Registers, replaces and deletes tools."""

import asyncio
import hashlib
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from mcp_server.notices import topics
from mcp_server.notices.service import Notices
from mcp_server.tools import repository
from mcp_server.tools.catalogues import Catalogues
from mcp_server.tools.definitions import ToolDefinition
from mcp_server.tools.errors import ReservedNameError, ToolNotFoundError, ToolRefusedError, TooManyToolsError
from mcp_server.tools.models import Registered, StoredTool, VersionOfTool
from mcp_server.tools.openapi_import import import_document
from mcp_server.tools.registered import ToolMaker
from mcp_server.tools.schemas import ImportOutcome, ImportRequest, RefusedOperation
from mcp_server.tools.tenants import tenant_of
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database, UnitOfWork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

MAX_TOOLS = 2000
"""Registered tools of one tenant."""

MAX_VERSIONS = 100
"""Versions of a tool that are kept; the oldest go first."""

type Reserve = Callable[[int], Awaitable[None]]
type Fetch = Callable[[Reserve], Awaitable[Any]]
"""Returns the OpenAPI document of the stack; raises AgentFacingError."""

_log = logging.getLogger(__name__)


class ToolManagement:
    """The registered tools of the tenants; `fetch` reads the document of the stack. Methods raise DatabaseUnavailableError and PoolExhaustedError."""

    def __init__(
        self, database: Database, catalogues: Catalogues, maker: ToolMaker, notices: Notices, fetch: Fetch
    ) -> None:
        self._database = database
        self._catalogues = catalogues
        self._maker = maker
        self._notices = notices
        self._fetch = fetch

    async def register(self, principal: Principal, definition: ToolDefinition) -> Registered:
        """Put a definition in use, as a new version unless it is in use already.

        Raises:
            ReservedNameError: A built-in tool has the name.
            ToolRefusedError: The definition cannot become a tool.
            TooManyToolsError: The tenant has as many tools as it may have.
        """
        await self.check(principal, definition)
        async with self._changing(principal) as work:
            return await _add(work, principal, definition)

    async def import_document(self, principal: Principal, wanted: ImportRequest, reserve: Reserve) -> ImportOutcome:
        """Put the operations of a document in use as tools, and delete what an import of this name no longer has.

        All or nothing; operations that cannot become tools are reported. `reserve` makes room for a document that is fetched.

        Raises:
            AgentFacingError: The gateway's document cannot be had.
            DocumentRefusedError: The document is not usable.
            TooManyToolsError: The tenant would have more tools than it may have.
        """
        document = await self._fetch(reserve) if wanted.document is None else wanted.document
        imported = await asyncio.to_thread(import_document, document, wanted)
        refused = dict(imported.refused)
        accepted = [one for one in imported.definitions.values() if await self._is_accepted(principal, one, refused)]
        kept = {*imported.kept, *imported.definitions}
        async with self._changing(principal) as work:
            before = await repository.names_of_source(work.connection, wanted.source)
            removed = sorted(before - kept)
            for name in removed:
                await repository.delete(work.connection, name)
            done = {one.name: await _add(work, principal, one) for one in accepted}
        new = [name for name, outcome in done.items() if outcome.is_new]
        return ImportOutcome(
            added=sorted(name for name in new if done[name].version == 1),
            changed=sorted(name for name in new if done[name].version > 1),
            unchanged=sorted(set(done) - set(new)),
            removed=removed,
            refused=[RefusedOperation(operation=key, reason=reason) for key, reason in sorted(refused.items())],
        )

    async def _is_accepted(self, principal: Principal, definition: ToolDefinition, refused: dict[str, str]) -> bool:
        try:
            await self.check(principal, definition)
        except ToolRefusedError as error:
            refused[definition.name] = error.reason
        except ReservedNameError as error:
            refused[definition.name] = str(error)
        return definition.name not in refused

    async def check(self, principal: Principal, definition: ToolDefinition) -> None:
        """Raise ReservedNameError or ToolRefusedError for a definition that cannot become a tool."""
        if self._catalogues.builtin.get(definition.name) is not None:
            raise ReservedNameError(definition.name)
        await asyncio.to_thread(self._maker.check, tenant_of(principal), definition)  # a large schema takes a while
        if definition.workflow is not None:
            reason = await self._maker.workflows.refusal(principal, definition.workflow)
            if reason is not None:
                raise ToolRefusedError(definition.name, reason)

    async def versions(self, principal: Principal, name: str) -> list[VersionOfTool]:
        """Return the versions of a tool, the newest first; raises ToolNotFoundError."""
        async with self._database.read(tenant=tenant_of(principal)) as connection:
            if not (found := await repository.list_versions(connection, name)):
                raise ToolNotFoundError(name)
            return found

    async def version(self, principal: Principal, name: str, version: int) -> StoredTool:
        """Return a version of a tool; raises ToolNotFoundError."""
        async with self._database.read(tenant=tenant_of(principal)) as connection:
            return await _find(connection, name, version)

    async def roll_back(self, principal: Principal, name: str, version: int) -> None:
        """Put a version of a tool in use again, or a newer one; raises ToolNotFoundError and ToolRefusedError."""
        stored = await self.version(principal, name, version)
        await self.check(principal, stored.definition)  # settings may have changed since
        async with self._changing(principal) as work:
            await _find(work.connection, name, version)
            await repository.put_in_use(work.connection, tenant_of(principal), name, version)

    async def delete(self, principal: Principal, name: str) -> None:
        """Delete a tool with its versions; raises ToolNotFoundError and ReservedNameError."""
        if self._catalogues.builtin.get(name) is not None:
            raise ReservedNameError(name)
        async with self._changing(principal) as work:
            if not await repository.delete(work.connection, name):
                raise ToolNotFoundError(name)

    @asynccontextmanager
    async def _changing(self, principal: Principal) -> "AsyncIterator[UnitOfWork]":
        """A transaction that changes the tools of a tenant; every process reads them again after it."""
        tenant = tenant_of(principal)
        async with self._database.unit_of_work(principal, tenant=tenant) as work:
            await repository.begin_change(work.connection, tenant)
            yield work
        self._catalogues.on_change(topics.TOOLS, {"tenant": tenant})
        try:
            await self._notices.publish(topics.TOOLS, tenant=tenant)
        except (RedisUnavailableError, PoolExhaustedError) as error:  # the others see it when they look next
            _log.warning("a change of tools was not announced: %s", error)
            self._notices.deliver(topics.TOOLS, {"tenant": tenant})


async def _find(connection: "asyncpg.Connection", name: str, version: int) -> StoredTool:
    if (stored := await repository.find_version(connection, name, version)) is None:
        raise ToolNotFoundError(name, version)
    return stored


async def _add(work: UnitOfWork, principal: Principal, definition: ToolDefinition) -> Registered:
    connection, digest = work.connection, digest_of(definition)
    active = await repository.find_active(connection, definition.name)
    if active is not None and active.digest == digest:
        return Registered(active.version, is_new=False)
    if active is None and await repository.count(connection) >= MAX_TOOLS:
        raise TooManyToolsError(MAX_TOOLS)
    version = await repository.add_version(
        connection, tenant_of(principal), definition, digest, author=principal.subject, kept=MAX_VERSIONS
    )
    return Registered(version, is_new=True)


def digest_of(definition: ToolDefinition) -> str:
    """Return the SHA-256 of a definition in hexadecimal digits."""
    return hashlib.sha256(definition.model_dump_json(by_alias=True, exclude_unset=True).encode()).hexdigest()
