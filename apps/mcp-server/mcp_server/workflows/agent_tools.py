"""The built-in tools by which agents find, run and inspect workflows."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mcp_server.tools.registry import Arguments, Tool
from mcp_server.tools.request import Request
from mcp_server.workflows import agent_schemas as schemas
from mcp_server.workflows.awaited_runs import AwaitedRuns, RunFailedError, reporting_to_agent
from mcp_server.workflows.reader import WorkflowReader
from mcp_server.workflows.run_descriptions import described, described_line
from mcp_server.workflows.run_models import OPEN
from mcp_server.workflows.run_service import DEPLOY, Wanted
from mcp_server.workflows.run_tasks import begun, failure

_NO_SCOPES: frozenset[str] = frozenset()
_RUNS: Mapping[str, Any] = {"destructiveHint": True, "openWorldHint": True}
_CANCELS: Mapping[str, Any] = {"destructiveHint": True, "idempotentHint": True}


@dataclass(frozen=True, slots=True)
class AgentTools:
    """The tools. Besides `tools:call` a run needs the scopes of its workflow, and versions the scope of those who deploy."""

    reader: WorkflowReader
    awaited: AwaitedRuns

    def tools(self) -> list[Tool]:
        """Return the tools."""
        return [*self._of_workflows(), *self._of_runs()]

    def _of_workflows(self) -> list[Tool]:
        return [
            Tool(
                name="list_workflows",
                title="List workflows",
                description="List the workflows of this company with their aliases. What an alias names can be run.",
                input_schema=schemas.LIST_INPUT,
                output_schema=schemas.LIST_OUTPUT,
                scopes=_NO_SCOPES,
                run=self._list_workflows,
            ),
            Tool(
                name="get_workflow",
                title="Get a workflow",
                description="Read what a deployed workflow does, which arguments it takes, and what it returns.",
                input_schema=schemas.GET_INPUT,
                output_schema=schemas.GET_OUTPUT,
                scopes=_NO_SCOPES,
                run=self._get_workflow,
            ),
            Tool(
                name="list_workflow_versions",
                title="List versions of a workflow",
                description="List the versions of a workflow, the newest first, with how far each has come.",
                input_schema=schemas.VERSIONS_INPUT,
                output_schema=schemas.VERSIONS_OUTPUT,
                scopes=frozenset({DEPLOY}),
                run=self._list_versions,
            ),
        ]

    def _of_runs(self) -> list[Tool]:
        return [
            Tool(
                name="run_workflow",
                title="Run a workflow",
                description=(
                    "Run a deployed workflow, and return the run with its result. Read get_workflow first. A run that "
                    "takes longer than wait_seconds goes on, and is returned as it is then."
                ),
                input_schema=schemas.RUN_INPUT,
                output_schema=schemas.RUN_OUTPUT,
                scopes=_NO_SCOPES,
                run=self._run_workflow,
                read_only=False,
                task="optional",
                begin=self._begin_run,
                annotations=_RUNS,
            ),
            Tool(
                name="get_workflow_run",
                title="Get a run of a workflow",
                description="Read the state of a run, and its result once it has finished.",
                input_schema=schemas.RUN_ID_INPUT,
                output_schema=schemas.RUN_OUTPUT,
                scopes=_NO_SCOPES,
                run=self._get_run,
            ),
            Tool(
                name="list_workflow_run_logs",
                title="List what a run logged",
                description="Read what a run logged and printed so far.",
                input_schema=schemas.LOGS_INPUT,
                output_schema=schemas.LOGS_OUTPUT,
                scopes=_NO_SCOPES,
                run=self._list_logs,
            ),
            Tool(
                name="cancel_workflow_run",
                title="Cancel a run of a workflow",
                description="End a run. What it changed until then stays; a run that has ended stays as it is.",
                input_schema=schemas.RUN_ID_INPUT,
                output_schema=schemas.RUN_OUTPUT,
                scopes=_NO_SCOPES,
                run=self._cancel_run,
                read_only=False,
                annotations=_CANCELS,
            ),
        ]

    async def _list_workflows(self, arguments: Arguments, request: Request) -> object:
        limit = arguments.get("limit", schemas.MAX_WORKFLOWS)
        with reporting_to_agent():
            found = await self.reader.workflows(request.principal, arguments.get("after", ""), limit + 1)
        page: dict[str, Any] = {"items": [asdict(workflow) for workflow in found[:limit]]}
        return page if len(found) <= limit else page | {"next": found[limit - 1].name}

    async def _get_workflow(self, arguments: Arguments, request: Request) -> object:
        name, alias = arguments["workflow"], arguments.get("alias", schemas.DEFAULT_ALIAS)
        with reporting_to_agent():
            version = await self.awaited.runs.find_version(request.principal, Wanted(name=name, alias=alias))
        content = version.content
        members = {
            "workflow": name,
            "alias": alias,
            "version": version.about.version,
            "description": content.definition.get("description"),
            "inputSchema": content.input_schema,
            "outputSchema": content.output_schema,
            "scopes": sorted(content.scopes),
            "timeout_seconds": content.timeout_seconds,
        }
        return {member: value for member, value in members.items() if value is not None}

    async def _list_versions(self, arguments: Arguments, request: Request) -> object:
        with reporting_to_agent():
            found = await self.reader.versions(request.principal, arguments["workflow"])
        versions = [asdict(about) | {"created_at": about.created_at.isoformat()} for about in found]
        return {"items": [{name: value for name, value in one.items() if value is not None} for one in versions]}

    async def _run_workflow(self, arguments: Arguments, request: Request) -> object:
        seconds = arguments.get("wait_seconds", schemas.DEFAULT_WAIT_SECONDS)
        run = await self.awaited.wait(await self.awaited.start(_wanted(arguments), request), request, seconds)
        if run.state not in OPEN and run.state != "finished":
            raise RunFailedError(failure(run))
        return described(run)

    async def _begin_run(self, arguments: Arguments, request: Request) -> dict[str, Any]:
        return begun(await self.awaited.start(_wanted(arguments), request))

    async def _get_run(self, arguments: Arguments, request: Request) -> object:
        with reporting_to_agent():
            return described(await self.awaited.runs.find(request.principal, arguments["run_id"]))

    async def _list_logs(self, arguments: Arguments, request: Request) -> object:
        after, limit = arguments.get("after", 0), arguments.get("limit", schemas.DEFAULT_LINES)
        with reporting_to_agent():
            run = await self.awaited.runs.find(request.principal, arguments["run_id"])
            lines = await self.awaited.runs.logs(request.principal, run, after, limit)
        return {"items": [described_line(line) for line in lines], "next": lines[-1].number if lines else after}

    async def _cancel_run(self, arguments: Arguments, request: Request) -> object:
        runs, run_id = self.awaited.runs, arguments["run_id"]
        with reporting_to_agent():
            await runs.cancel(request.principal, await runs.find(request.principal, run_id))
            return described(await runs.find(request.principal, run_id))


def _wanted(arguments: Arguments) -> Wanted:
    version, alias = arguments.get("version"), arguments.get("alias")
    if version is not None and alias is not None:
        raise RunFailedError("A run is of an alias or of a version: leave one of the two out.")
    return Wanted(
        name=arguments["workflow"],
        version=version,
        alias=alias if version is not None else alias or schemas.DEFAULT_ALIAS,
        arguments=arguments.get("arguments", {}),
        returns_run=True,
    )
