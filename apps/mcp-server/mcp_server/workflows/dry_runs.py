"""Runs that change nothing: what a version would do, before it is published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json

from mcp_server.runner import wire
from mcp_server.workflows.acceptance import inputs_of
from mcp_server.workflows.checks import check_arguments
from mcp_server.workflows.definitions import TOOL
from mcp_server.workflows.execution import require_sandbox
from mcp_server.workflows.external_nodes import ExternalNodes, permitted
from mcp_server.workflows.models import Version
from mcp_server.workflows.outcomes import End, end_of
from mcp_server.workflows.schemas import DryRun, LogLine, NodeCall
from mcp_server.workflows.service import WorkflowService, require_state
from nexus_chassis.limits import KIB
from nexus_chassis.principal import Principal

MAX_SECONDS = 60.0
"""A dry run takes at most this, whatever the version says."""

_MAX_CALLS = 1000
_MAX_SHOWN_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True)
class DryRuns:
    """Makes them."""

    workflows: WorkflowService

    async def run(
        self, principal: Principal, name: str, version: int, arguments: dict[str, Any], outputs: Mapping[str, Any]
    ) -> DryRun:
        """Run a validated version. Nodes that change data are not run: their outputs are those given for them.

        A version whose dry run finishes is tested.

        Raises:
            WorkflowNotFoundError, StepMissingError, ArgumentsRefusedError: It cannot be run.
            RunnerUnavailableError, RunLostError, SandboxUnavailableError: The runner does not run it.
        """
        found = await self.workflows.version(principal, name, version)
        require_state(found, "validated")
        check_arguments(found.content, arguments)
        attempt = _Attempt(self.workflows.external, principal, found, outputs)
        end = await self._end(attempt, arguments)
        if not end.has_failed:
            await self.workflows.record(principal, found, "tested")
        return DryRun(
            state="failed" if end.has_failed else "finished",
            result=end.result,
            reason=end.reason,
            detail=end.detail,
            calls=attempt.calls,
            logs=attempt.logs,
        )

    async def _end(self, attempt: "_Attempt", arguments: dict[str, Any]) -> End:
        content = attempt.version.content
        start = wire.Start(
            definition=content.definition,
            inputs=inputs_of(content, arguments),
            data_nodes={name: node.parameters for name, node in content.external_nodes.items()},
            seconds=min(content.timeout_seconds, MAX_SECONDS),
        )
        outcome = await self.workflows.runner.run(start, attempt.on_log, attempt.run_node)
        return end_of(require_sandbox(outcome), content)


@dataclass
class _Attempt:
    external: ExternalNodes
    principal: Principal
    version: Version
    outputs: Mapping[str, Any]
    calls: list[NodeCall] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    _shown: int = 0

    async def on_log(self, log: wire.Log) -> None:
        self.logs.append(LogLine(at=datetime.now(UTC), level=log.level, logger=log.logger, message=log.message))

    async def run_node(self, name: str, parameters: dict[str, Any]) -> dict[str, Any]:
        node = permitted(self.version.content, name, parameters)
        changes = await self.external.changes(name, node, parameters, self.principal)
        self._note(name, parameters, executed=not changes)
        if changes:
            known_as = parameters["tool"] if name == TOOL else name
            return dict(self.outputs.get(known_as, {}))
        return await self.external.run(name, node, parameters, self.principal)

    def _note(self, name: str, parameters: dict[str, Any], *, executed: bool) -> None:
        if len(self.calls) >= _MAX_CALLS:
            return
        self._shown += len(to_json(parameters))
        shown = parameters if self._shown <= _MAX_SHOWN_BYTES else None
        self.calls.append(NodeCall(node=name, parameters=shown, executed=executed))
