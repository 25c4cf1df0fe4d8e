"""Versions of workflows, from the draft to the alias that deploys them."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from mcp_server.notices import topics
from mcp_server.notices.service import Notices
from mcp_server.runner import wire
from mcp_server.tools.tenants import tenant_of
from mcp_server.workflows import repository
from mcp_server.workflows.acceptance import accept, encode, in_definition
from mcp_server.workflows.errors import Fault, StepMissingError, TooManyError
from mcp_server.workflows.execution import WorkflowRunner, ignore_log, refuse_node, require_sandbox
from mcp_server.workflows.external_nodes import ExternalNodes
from mcp_server.workflows.models import STATES, AboutVersion, ExternalNode, Move, State, Version
from mcp_server.workflows.reader import MAX_MOVES, WorkflowReader, find_alias, find_version
from mcp_server.workflows.repository import OfTenant
from mcp_server.workflows.schemas import Draft
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import UnitOfWork

MAX_WORKFLOWS = 1000
"""Workflows of one tenant."""

MAX_VERSIONS = 1000
"""Versions of one workflow."""

MAX_ALIASES = 64
"""Aliases of one workflow, deleted ones included."""

_CHECK_SECONDS = 10.0
_log = logging.getLogger(__name__)


def resource_uri(name: str) -> str:
    """Return the URI of a workflow as a resource."""
    return f"nexus://workflows/{name}"


@dataclass(frozen=True, slots=True)
class WorkflowService(WorkflowReader):
    """Reads and changes workflows. Methods raise what those of WorkflowReader do."""

    external: ExternalNodes
    runner: WorkflowRunner
    notices: Notices

    async def add(self, principal: Principal, name: str, draft: Draft) -> tuple[int, str, bool]:
        """Keep a draft as a version, unless the newest is the same; returns its number, its hash, and whether it is new.

        Raises:
            InvalidDefinitionError: It says something that is not accepted.
            AgentFacingError: It names nodes that dataflow-service may have, which cannot be asked.
            TooManyError: The tenant or the workflow has as much as it may have.
        """
        external = await self.external.find(_node_types(draft), principal)
        content, content_hash = encode(accept(draft, external))
        async with self._changing(principal, name) as work:
            newest = await repository.lock(work.connection, name)
            if draft.parent is not None:
                await find_version(work.connection, name, draft.parent)
            if newest is not None and await self._is(work.connection, name, newest, content_hash):
                return newest, content_hash, False
            await _check_room(work.connection, newest)
            of = OfTenant(tenant_of(principal), name, principal.subject)
            version = await repository.add_version(work.connection, of, content, content_hash, draft.parent)
        return version, content_hash, True

    async def _is(self, connection: asyncpg.Connection, name: str, version: int, content_hash: str) -> bool:
        return (await find_version(connection, name, version)).about.content_hash == content_hash

    async def validate(self, principal: Principal, name: str, version: int) -> list[Fault]:
        """Return what keeps a version from running; without faults it is validated.

        Raises:
            AgentFacingError, RunnerUnavailableError, RunLostError, SandboxUnavailableError: It cannot be told now.
        """
        found = await self.version(principal, name, version)
        content = found.content
        now = await self.external.find({*content.external_nodes}, principal)
        faults = _faults_of_nodes(content.external_nodes, now)
        start = wire.Start(
            definition=content.definition,
            data_nodes={name: node.parameters for name, node in content.external_nodes.items()},
            seconds=_CHECK_SECONDS,
            only_check=True,
        )
        outcome = require_sandbox(await self.runner.run(start, ignore_log, refuse_node))
        if isinstance(outcome, wire.Failed):
            faults.append(Fault("definition", f"Kailash cannot check it ({outcome.reason}): {outcome.detail}"))
        else:
            faults += [
                in_definition(Fault(fault["place"], fault["reason"][:1000])) for fault in outcome.outputs["faults"]
            ]
        if not faults:
            await self.record(principal, found, "validated")
        return faults

    async def record(self, principal: Principal, version: Version, state: State) -> None:
        """Record how far a version has come."""
        of = OfTenant(tenant_of(principal), version.name, principal.subject)
        async with self.database.unit_of_work(principal, tenant=of.tenant) as work:
            await repository.add_step(work.connection, of, version.about.version, state)

    async def publish(self, principal: Principal, name: str, version: int) -> AboutVersion:
        """Let aliases name a version from now on; raises StepMissingError unless it was tested by a dry run."""
        found = await self.version(principal, name, version)
        require_state(found, "tested")
        await self.record(principal, found, "published")
        return (await self.version(principal, name, version)).about

    async def move_alias(self, principal: Principal, name: str, alias: str, version: int) -> tuple[int, list[Move]]:
        """Let an alias name a version; returns it with the newest moves.

        Raises:
            StepMissingError: The version is not published.
            TooManyError: The workflow has as many aliases as it may have.
        """
        async with self._changing(principal, name) as work:
            await repository.lock(work.connection, name)
            require_state(await find_version(work.connection, name, version), "published")
            current = await repository.find_alias(work.connection, name, alias)
            if current is None and await repository.count_aliases(work.connection, name) >= MAX_ALIASES:
                raise TooManyError("aliases of this workflow", MAX_ALIASES)
            if current != version:
                of = OfTenant(tenant_of(principal), name, principal.subject)
                await repository.move_alias(work.connection, of, alias, version)
            return version, await repository.list_moves(work.connection, name, alias, MAX_MOVES)

    async def delete_alias(self, principal: Principal, name: str, alias: str) -> None:
        """Let an alias name nothing, so that nothing runs by it; its moves stay."""
        async with self._changing(principal, name) as work:
            await repository.lock(work.connection, name)
            await find_alias(work.connection, name, alias)
            of = OfTenant(tenant_of(principal), name, principal.subject)
            await repository.move_alias(work.connection, of, alias, None)

    @asynccontextmanager
    async def _changing(self, principal: Principal, name: str) -> AsyncIterator[UnitOfWork]:
        """A transaction that changes a workflow; its tenant's clients are notified after it."""
        tenant = tenant_of(principal)
        async with self.database.unit_of_work(principal, tenant=tenant) as work:
            yield work
        for topic in (topics.RESOURCES, topics.resource(resource_uri(name))):
            try:
                await self.notices.publish(topic, tenant=tenant)
            except (RedisUnavailableError, PoolExhaustedError) as error:
                _log.warning("a change of a workflow was not announced: %s", error)
                self.notices.deliver(topic, {"tenant": tenant})


def require_state(version: Version, needed: State) -> None:
    """Raise StepMissingError for a version that is not as far."""
    if STATES.index(version.about.state) < STATES.index(needed):
        raise StepMissingError(version.name, version.about.version, version.about.state, needed)


async def _check_room(connection: asyncpg.Connection, newest: int | None) -> None:
    if newest is None and await repository.count(connection) >= MAX_WORKFLOWS:
        raise TooManyError("workflows", MAX_WORKFLOWS)
    if newest is not None and newest >= MAX_VERSIONS:
        raise TooManyError("versions of this workflow", MAX_VERSIONS)


def _node_types(draft: Draft) -> set[str]:
    nodes = draft.definition.get("nodes")
    found = nodes.values() if isinstance(nodes, dict) else ()
    types = [node.get("node_type") for node in found if isinstance(node, dict)]
    return {node_type for node_type in types if isinstance(node_type, str)}


def _faults_of_nodes(then: dict[str, ExternalNode], now: dict[str, ExternalNode]) -> list[Fault]:
    """What has changed of the nodes of dataflow-service since the version was made."""
    return [
        Fault(
            "definition/nodes",
            f"the node type {name} {'has changed' if name in now else 'is gone'}: send the version again",
        )
        for name, node in then.items()
        if now.get(name) != node
    ]
