"""Dependencies of the endpoints in this folder."""

from typing import Annotated

from fastapi import Depends

from mcp_server.context import ContextOfApp
from mcp_server.workflows.dry_runs import DryRuns
from mcp_server.workflows.run_service import RunService
from mcp_server.workflows.service import WorkflowService


async def get_workflow_service(context: ContextOfApp) -> WorkflowService:
    """Return the service of workflows."""
    return context.workflows


async def get_run_service(context: ContextOfApp) -> RunService:
    """Return the service of runs."""
    return context.runs


async def get_dry_runs(context: ContextOfApp) -> DryRuns:
    """Return what makes dry runs."""
    return DryRuns(context.workflows)


WorkflowsOfApp = Annotated[WorkflowService, Depends(get_workflow_service)]
RunsOfApp = Annotated[RunService, Depends(get_run_service)]
DryRunsOfApp = Annotated[DryRuns, Depends(get_dry_runs)]
