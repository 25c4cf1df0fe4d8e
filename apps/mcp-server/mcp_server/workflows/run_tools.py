"""Tools that run a deployed workflow."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mcp_server.errors import AgentFacingError
from mcp_server.notices import topics
from mcp_server.notices.service import Notices
from mcp_server.tools.definitions import ToolDefinition, WorkflowCall
from mcp_server.tools.registry import Arguments, Backend
from mcp_server.tools.request import Request
from mcp_server.workflows.caller import NodeRequest
from mcp_server.workflows.errors import RunRefusedError, WorkflowNotFoundError
from mcp_server.workflows.outcomes import as_object
from mcp_server.workflows.run_models import OPEN, Run
from mcp_server.workflows.run_service import RunService, Wanted
from mcp_server.workflows.run_tasks import failure, summary
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.principal import Principal

_LOOK_SECONDS = 1.0


class RunFailedError(AgentFacingError):
    """The run has no result; the text says why."""


@dataclass(frozen=True, slots=True)
class WorkflowTools:
    """Runs workflows for tools: as a task for clients that can have one, otherwise within the call."""

    runs: RunService
    notices: Notices

    def backend(self, definition: ToolDefinition, call: WorkflowCall) -> Backend:
        """Return what runs a workflow with the arguments of a tool."""
        schema = definition.output_schema

        def wanted(arguments: Arguments) -> Wanted:
            return Wanted(name=call.name, alias=call.alias, arguments=arguments, expected=schema)

        async def run(arguments: Arguments, request: Request) -> dict[str, Any]:
            return await self._result(wanted(arguments), request, definition.timeout_seconds)

        async def begin(arguments: Arguments, request: Request) -> dict[str, Any]:
            return {"resultType": "task", **summary(await self._start(wanted(arguments), request))}

        return Backend(run, begin)

    async def refusal(self, principal: Principal, call: WorkflowCall) -> str | None:
        """Return why a workflow cannot be run, if that is so."""
        try:
            await self.runs.find_version(principal, Wanted(name=call.name, alias=call.alias))
        except WorkflowNotFoundError as error:
            return str(error).removesuffix(".")
        return None

    async def _start(self, wanted: Wanted, request: Request) -> Run:
        if isinstance(request, NodeRequest):
            raise RunFailedError("A workflow cannot run another one.")
        try:
            return await self.runs.start(request.principal, wanted)
        except RunRefusedError as error:
            raise RunFailedError(str(error)) from None
        except (DatabaseUnavailableError, PoolExhaustedError):
            raise RunFailedError("Runs cannot be started now. Try again later.") from None

    async def _result(self, wanted: Wanted, request: Request, seconds: float) -> dict[str, Any]:
        """Run a workflow and return its result. The run ends with the call."""
        run = await self._start(wanted, request)
        try:
            async with asyncio.timeout(seconds):
                run = await self._ended(run, request)
        except TimeoutError:
            await self._cancel(run, request)
            raise RunFailedError(f"The run {run.run_id} took longer than {seconds:g} s, and was ended.") from None
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._cancel(run, request)))
            raise
        if run.state != "finished":
            raise RunFailedError(failure(run))
        return as_object(run.result)

    async def _ended(self, run: Run, request: Request) -> Run:
        changed = asyncio.Event()
        with self.notices.listening(_setter(changed), topics.task(run.run_id)):
            while run.state in OPEN:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await changed.wait()
                changed.clear()
                with suppress(DatabaseUnavailableError, PoolExhaustedError):  # it goes on meanwhile
                    run = await self.runs.find(request.principal, run.run_id)
        return run

    async def _cancel(self, run: Run, request: Request) -> None:
        with suppress(DatabaseUnavailableError, PoolExhaustedError):
            await self.runs.cancel(request.principal, run)


def _setter(event: asyncio.Event) -> Callable[[str, dict[str, str]], None]:
    return lambda _topic, _fields: event.set()
