"""Registered tools that run a deployed workflow."""

from dataclasses import dataclass
from typing import Any

from mcp_server.tools.definitions import ToolDefinition, WorkflowCall
from mcp_server.tools.registry import Arguments, Backend
from mcp_server.tools.request import Request
from mcp_server.workflows.awaited_runs import AwaitedRuns, RunFailedError
from mcp_server.workflows.errors import WorkflowNotFoundError
from mcp_server.workflows.outcomes import as_object
from mcp_server.workflows.run_models import OPEN
from mcp_server.workflows.run_service import Wanted
from mcp_server.workflows.run_tasks import begun, failure
from nexus_chassis.principal import Principal


@dataclass(frozen=True, slots=True)
class WorkflowTools:
    """Runs workflows for tools: as a task for clients that can have one, otherwise within the call."""

    awaited: AwaitedRuns

    def backend(self, definition: ToolDefinition, call: WorkflowCall) -> Backend:
        """Return what runs a workflow with the arguments of a tool."""
        schema = definition.output_schema

        def wanted(arguments: Arguments) -> Wanted:
            return Wanted(name=call.name, alias=call.alias, arguments=arguments, expected=schema)

        async def run(arguments: Arguments, request: Request) -> dict[str, Any]:
            return await self._result(wanted(arguments), request, definition.timeout_seconds)

        async def begin(arguments: Arguments, request: Request) -> dict[str, Any]:
            return begun(await self.awaited.start(wanted(arguments), request))

        return Backend(run, begin)

    async def refusal(self, principal: Principal, call: WorkflowCall) -> str | None:
        """Return why a workflow cannot be run, if that is so."""
        try:
            await self.awaited.runs.find_version(principal, Wanted(name=call.name, alias=call.alias))
        except WorkflowNotFoundError as error:
            return str(error).removesuffix(".")
        return None

    async def _result(self, wanted: Wanted, request: Request, seconds: float) -> dict[str, Any]:
        """Run a workflow and return its result. The run ends with the call."""
        run = await self.awaited.wait(await self.awaited.start(wanted, request), request, seconds)
        if run.state in OPEN:
            await self.awaited.cancel(run, request)
            raise RunFailedError(f"The run {run.run_id} took longer than {seconds:g} s, and was ended.")
        if run.state != "finished":
            raise RunFailedError(failure(run))
        return as_object(run.result)
