"""/v1/workflows/{name}/runs: runs, which are tasks of the Tasks extension too."""

from typing import Annotated

from fastapi import Query, Request, Response

from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.workflows.dependencies import RunsOfApp
from mcp_server.workflows.endpoints import MAX_LIMIT, Caller
from mcp_server.workflows.run_schemas import (
    START_BODY,
    RunId,
    RunLogs,
    RunSummary,
    StartRun,
    WorkflowRun,
    WorkflowRuns,
)
from mcp_server.workflows.run_service import Wanted
from mcp_server.workflows.schemas import MAX_VERSION, WorkflowName
from nexus_chassis.routing import Router, read_model

router = Router(prefix="/v1/workflows/{name}/runs", tags=["workflows"])

MAX_LINES = 1000


@router.post("", status_code=202, openapi_extra=START_BODY)
async def start_workflow_run(
    request: Request, response: Response, name: WorkflowName, principal: Caller, runs: RunsOfApp
) -> WorkflowRun:
    """Start a run. It goes on when the client leaves, and ends finished, failed or cancelled."""
    sent = await read_model(request, StartRun, MAX_MESSAGE_BYTES)
    wanted = Wanted(name=name, alias=sent.alias, version=sent.version, arguments=sent.arguments)
    run = await runs.start(principal, wanted)
    response.headers["Location"] = f"/v1/workflows/{name}/runs/{run.run_id}"
    return WorkflowRun.of(run)


@router.get("")
async def list_workflow_runs(
    name: WorkflowName,
    principal: Caller,
    runs: RunsOfApp,
    before: Annotated[
        str | None, Query(pattern="^[A-Za-z0-9._-]{1,64}$", description="the `next` of the page before")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> WorkflowRuns:
    """List the caller's runs, or those of the tenant for those who deploy, the newest first."""
    found = await runs.page(principal, name, before, limit + 1)
    following = found[limit - 1].run_id if len(found) > limit else None
    return WorkflowRuns(items=[RunSummary.of(run) for run in found[:limit]], next=following)


@router.get("/{run_id}")
async def get_workflow_run(name: WorkflowName, run_id: RunId, principal: Caller, runs: RunsOfApp) -> WorkflowRun:
    """Read a run: its state, and its result or why it failed."""
    return WorkflowRun.of(await runs.find(principal, run_id, name))


@router.get("/{run_id}/logs")
async def list_workflow_run_logs(
    name: WorkflowName,
    run_id: RunId,
    principal: Caller,
    runs: RunsOfApp,
    *,
    after: Annotated[int, Query(ge=0, le=MAX_VERSION, description="the `next` of the lines before")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_LINES)] = MAX_LINES,
) -> RunLogs:
    """List what a run logged and printed so far."""
    run = await runs.find(principal, run_id, name)
    return RunLogs.of(await runs.logs(principal, run, after, limit), after)


@router.post("/{run_id}/cancel")
async def cancel_workflow_run(name: WorkflowName, run_id: RunId, principal: Caller, runs: RunsOfApp) -> WorkflowRun:
    """End a run; one that has ended stays as it is. What it changed until then stays."""
    await runs.cancel(principal, await runs.find(principal, run_id, name))
    return WorkflowRun.of(await runs.find(principal, run_id, name))
