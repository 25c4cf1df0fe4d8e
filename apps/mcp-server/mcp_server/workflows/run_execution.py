"""One run, from the queue to its end."""

from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag

from mcp_server.runner import wire
from mcp_server.workflows import repository, run_queue
from mcp_server.workflows.acceptance import inputs_of
from mcp_server.workflows.errors import DataNodeRefusedError, RunLostError, RunnerUnavailableError
from mcp_server.workflows.execution import WorkflowRunner
from mcp_server.workflows.external_nodes import ExternalNodes, permitted
from mcp_server.workflows.models import Content
from mcp_server.workflows.outcomes import End, end_of
from mcp_server.workflows.run_log import writing_log
from mcp_server.workflows.run_models import HeldRun
from mcp_server.workflows.token_sealer import TokenSealer
from nexus_chassis.principal import Principal
from nexus_chassis.tokens import InvalidTokenError, TokenVerifier
from nexus_chassis.unit_of_work import Database

MAX_ATTEMPTS = 3
"""How often a run is started whose process or runner ended before it, as long as it changed nothing."""

MAX_WAIT_SECONDS = 300.0
"""How long a run waits for a runner that does not answer."""

_RETRY_SECONDS = 2.0
_LOST = "The process that ran it ended before it did."
_STAYS = "What it changed until then stays."
_CHANGED = "What it changed until then stays: it is not started again by itself."
_TRIED = f"That happened {MAX_ATTEMPTS} times: it is not started again."


class _TokenEndedError(Exception):
    """The caller's token has ended while the run did not; the text says why."""


class NoLongerHeldError(Exception):
    """Another process has taken the run, or it was cancelled: it must not go on here."""


@dataclass(frozen=True, slots=True)
class Again:
    """A run that is to be started again; `counts` where its start counts as an attempt."""

    seconds: float
    counts: bool


@dataclass
class Progress:
    """Whether a run may have changed data."""

    has_changed: bool


def after_loss(run: HeldRun, progress: Progress, what: str) -> End | Again:
    """Return what becomes of a run whose process or runner has ended."""
    if progress.has_changed:
        return End(reason="lost", detail=f"{what} {_CHANGED}")
    if run.attempts >= MAX_ATTEMPTS:
        return End(reason="lost", detail=f"{what} {_TRIED}")
    return Again(0, counts=True)


@dataclass(frozen=True, slots=True)
class RunExecutor:
    """Runs what this process holds, as `holder`."""

    database: Database
    runner: WorkflowRunner
    external: ExternalNodes
    verifier: TokenVerifier
    sealer: TokenSealer
    holder: str

    async def run(self, run: HeldRun, progress: Progress) -> End | Again:
        """Run a workflow and return its end.

        Raises:
            NoLongerHeldError: It must not go on here.
            Problem: 503, the issuer's keys cannot be had.
            DatabaseUnavailableError, PoolExhaustedError: PostgreSQL is away.
        """
        if progress.has_changed:
            return End(reason="lost", detail=f"{_LOST} {_CHANGED}")
        if run.attempts > MAX_ATTEMPTS:
            return End(reason="lost", detail=f"{_LOST} {_TRIED}")
        try:
            principal = await self.verifier.verify(self.sealer.open(run.token, run.run_id))
        except InvalidTokenError as error:
            return End(reason="token", detail=f"The access token of its caller is refused: {error}.")
        except InvalidTag:
            return End(reason="token", detail="The secret with which its caller's access token was sealed has changed.")
        async with self.database.read(tenant=run.tenant) as connection:
            version = await repository.find_version(connection, run.name, run.version)
        if version is None:
            raise NoLongerHeldError
        return await _Attempt(self, run, principal, version.content, progress).end()


@dataclass(frozen=True, slots=True)
class _Attempt:
    of: RunExecutor
    run: HeldRun
    principal: Principal
    content: Content
    progress: Progress

    async def end(self) -> End | Again:
        try:
            async with writing_log(self.of.database, self.run.tenant, self.run.run_id) as log:
                outcome = await self.of.runner.run(self._start(), log.add, self._run_node)
        except RunnerUnavailableError as error:
            if self.run.waited_seconds > MAX_WAIT_SECONDS:
                return End(reason="runner-unavailable", detail=str(error))
            return Again(_RETRY_SECONDS, counts=False)
        except _TokenEndedError as error:
            return End(reason="token", detail=f"The access token of its caller ended while it ran: {error}. {_STAYS}")
        except RunLostError:
            return after_loss(self.run, self.progress, "workflow-runner ended before the run did.")
        if isinstance(outcome, wire.Failed) and outcome.reason == "runner":
            return after_loss(self.run, self.progress, outcome.detail)
        return end_of(outcome, self.content, self.run.expected)

    def _start(self) -> wire.Start:
        return wire.Start(
            definition=self.content.definition,
            inputs=inputs_of(self.content, self.run.arguments),
            data_nodes={name: node.parameters for name, node in self.content.external_nodes.items()},
            seconds=self.content.timeout_seconds,
        )

    async def _run_node(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        node = permitted(self.content, name, parameters)
        await self._require_token()  # the tokens that it was exchanged for may last longer
        if not self.progress.has_changed and await self.of.external.changes(name, node, parameters, self.principal):
            await self._mark_changed()
        try:
            return await self.of.external.run(name, node, parameters, self.principal)
        except DataNodeRefusedError:
            await self._require_token()  # perhaps it ended meanwhile, and that is why
            raise

    async def _require_token(self) -> None:
        """Raise _TokenEndedError once the caller's token has expired or was revoked: nobody is acted for any longer."""
        try:
            await self.of.verifier.verify(self.principal.token)
        except InvalidTokenError as error:
            raise _TokenEndedError(error) from None

    async def _mark_changed(self) -> None:
        """Record, before it may happen, that the run changes data: it cannot be started again then."""
        async with self.of.database.write(tenant=self.run.tenant) as connection:
            if not await run_queue.mark_changed(connection, self.of.holder, self.run.run_id):
                raise NoLongerHeldError
        self.progress.has_changed = True
