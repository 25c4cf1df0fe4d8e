"""Starts, reports and cancels runs. Their state is in PostgreSQL: any process answers about each of them."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

from mcp_server.notices import topics
from mcp_server.notices.service import Notices
from mcp_server.tools.tenants import tenant_of
from mcp_server.workflows import repository, run_repository
from mcp_server.workflows.checks import check_arguments
from mcp_server.workflows.errors import (
    RunNotFoundError,
    SandboxUnavailableError,
    ScopesMissingError,
    TooManyRunsError,
    WorkflowNotFoundError,
)
from mcp_server.workflows.execution import WorkflowRunner
from mcp_server.workflows.models import Version
from mcp_server.workflows.run_models import OPEN, NewRun, Run, RunLog
from mcp_server.workflows.service import require_state
from mcp_server.workflows.token_sealer import TokenSealer
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.principal import Principal
from nexus_chassis.unit_of_work import Database

PREFIX = "run."
"""What ids of runs begin with; ids of other tasks have no full stop."""

QUEUED = "workflow-runs"
"""Topic of notices that a run waits."""

MAX_OPEN = 256
"""Runs of one user that have not ended."""

DEPLOY = "workflows:deploy"
"""The scope of those who see all runs of their tenant."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A run to start: of a version, or of the one that an alias names. `expected` is the output schema of a tool.

    `returns_run` as of Run.
    """

    name: str
    alias: str | None = None
    version: int | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] | None = None
    returns_run: bool = False


@dataclass(slots=True)
class RunService:
    """The runs of the tenants. Methods raise DatabaseUnavailableError and PoolExhaustedError.

    `wake` lets this process look into the queue.
    """

    database: Database
    runner: WorkflowRunner
    notices: Notices
    sealer: TokenSealer
    wake: Callable[[], None] = field(default=lambda: None)

    async def start(self, principal: Principal, wanted: Wanted) -> Run:
        """Start a run and return it, once every process can answer about it.

        Raises:
            WorkflowNotFoundError, StepMissingError: There is no such version, or it is not published.
            ScopesMissingError: The token lacks a scope that a node needs.
            ArgumentsRefusedError: The arguments do not agree with the version's schema.
            TooManyRunsError: The user has too many already.
            SandboxUnavailableError: The runner cannot confine runs.
        """
        if (missing := self.runner.sandbox_lacks) is not None:
            raise SandboxUnavailableError(missing)
        tenant = tenant_of(principal)
        async with self.database.unit_of_work(principal, tenant=tenant) as work:
            version = await _version(work.connection, wanted)
            if lacking := version.content.scopes - principal.scopes:
                raise ScopesMissingError(lacking)
            check_arguments(version.content, wanted.arguments)
            if await run_repository.count_open(work.connection, principal.subject) >= MAX_OPEN:
                raise TooManyRunsError(MAX_OPEN)
            new = self._new(principal, version, wanted)
            await run_repository.add(work.connection, new)
            run = await run_repository.find(work.connection, new.run_id)
        self.wake()
        await self._announce(QUEUED)
        if run is None:
            raise RunNotFoundError(new.run_id)
        return run

    async def find_version(self, principal: Principal, wanted: Wanted) -> Version:
        """Return the version that a run would be of; raises WorkflowNotFoundError and StepMissingError."""
        async with self.database.unit_of_work(principal, tenant=tenant_of(principal)) as work:
            return await _version(work.connection, wanted)

    def _new(self, principal: Principal, version: Version, wanted: Wanted) -> NewRun:
        run_id = PREFIX + token_urlsafe(18)
        return NewRun(
            run_id=run_id,
            tenant=tenant_of(principal),
            name=wanted.name,
            version=version.about.version,
            alias=wanted.alias,
            subject=principal.subject,
            client_id=principal.client_id,
            arguments=json.dumps(wanted.arguments),
            expected=None if wanted.expected is None else json.dumps(wanted.expected),
            returns_run=wanted.returns_run,
            token=self.sealer.seal(principal.token, run_id),
        )

    async def find(self, principal: Principal, run_id: str, name: str | None = None) -> Run:
        """Return a run of the caller, or of the tenant for those who deploy; of the workflow `name`, if it is given.

        Raises:
            RunNotFoundError: There is none that the caller may see.
        """
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            run = await run_repository.find(connection, run_id)
        may_see = run is not None and (run.subject == principal.subject or DEPLOY in principal.scopes)
        if run is None or not may_see or name not in {None, run.name}:
            raise RunNotFoundError(run_id)
        return run

    async def page(self, principal: Principal, name: str, before: str | None, limit: int) -> list[Run]:
        """Return runs of a workflow that the caller may see, the newest first, those after the run `before`."""
        subject = None if DEPLOY in principal.scopes else principal.subject
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            return await run_repository.page(connection, name, subject, before, limit)

    async def logs(self, principal: Principal, run: Run, after: int, limit: int) -> list[RunLog]:
        """Return lines of the log of a run, those after a number."""
        async with self.database.read(tenant=tenant_of(principal)) as connection:
            return await run_repository.logs(connection, run.run_id, after, limit)

    async def cancel(self, principal: Principal, run: Run) -> None:
        """End a run, in whichever process it runs; one that has ended stays as it is."""
        if run.state not in OPEN:
            return
        async with self.database.unit_of_work(principal, tenant=tenant_of(principal)) as work:
            is_new = await run_repository.cancel(work.connection, run.run_id)
        if is_new:
            await self._announce(topics.task(run.run_id), status="cancelled")

    async def _announce(self, topic: str, **fields: str) -> None:
        try:
            await self.notices.publish(topic, **fields)
        except (RedisUnavailableError, PoolExhaustedError) as error:  # the others see it when they look next
            _log.warning("news of a run were not announced: %s", error)
            self.notices.deliver(topic, fields)


async def _version(connection: Any, wanted: Wanted) -> Version:  # noqa: ANN401  that of asyncpg has no types
    number = wanted.version
    if wanted.alias is not None:
        number = await repository.find_alias(connection, wanted.name, wanted.alias)
        if number is None:
            raise WorkflowNotFoundError(wanted.name, f"alias {wanted.alias!r:.100}")
    found = None if number is None else await repository.find_version(connection, wanted.name, number)
    if found is None:
        raise WorkflowNotFoundError(wanted.name, f"version {number}")
    require_state(found, "published")
    return found
