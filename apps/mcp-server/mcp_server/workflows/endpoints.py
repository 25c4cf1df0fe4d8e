"""/v1/workflows: workflows, from the draft to the alias that deploys a version."""

from typing import Annotated

from fastapi import Depends, Query, Request, Response

from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.tools.definitions import NAME
from mcp_server.workflows.dependencies import DryRunsOfApp, WorkflowsOfApp
from mcp_server.workflows.schemas import (
    DRAFT_BODY,
    DRY_RUN_BODY,
    AddedVersion,
    Alias,
    AliasName,
    ChosenVersion,
    Draft,
    DryRun,
    DryRunRequest,
    Validation,
    VersionNumber,
    WholeVersion,
    Workflow,
    WorkflowName,
    Workflows,
    WorkflowVersion,
    WorkflowVersions,
)
from nexus_chassis.disconnect import cancel_on_disconnect
from nexus_chassis.routing import Router, read_model
from nexus_chassis.tokens import Principal, require

router = Router(prefix="/v1/workflows", tags=["workflows"])

Caller = Annotated[Principal, Depends(require("tools:call"))]
Deployer = Annotated[Principal, Depends(require("workflows:deploy"))]

MAX_LIMIT = 200


@router.get("")
async def list_workflows(
    principal: Caller,
    workflows: WorkflowsOfApp,
    after: Annotated[str, Query(pattern=f"^$|{NAME}", description="the `next` of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = MAX_LIMIT,
) -> Workflows:
    """List the workflows, by name, with their aliases."""
    found = await workflows.workflows(principal, after, limit + 1)
    following = found[limit - 1].name if len(found) > limit else None
    return Workflows(items=[Workflow.of(workflow) for workflow in found[:limit]], next=following)


@router.get("/{name}")
async def get_workflow(name: WorkflowName, principal: Caller, workflows: WorkflowsOfApp) -> Workflow:
    """Read what is known of a workflow."""
    return Workflow.of(await workflows.workflow(principal, name))


@router.post(
    "/{name}/versions",
    status_code=201,
    openapi_extra=DRAFT_BODY,
    responses={200: {"description": "the newest version is the same already", "model": AddedVersion}},
)
async def add_workflow_version(
    request: Request, response: Response, name: WorkflowName, principal: Deployer, workflows: WorkflowsOfApp
) -> AddedVersion:
    """Send a draft, which becomes a version that never changes."""
    draft = await read_model(request, Draft, MAX_MESSAGE_BYTES)
    version, content_hash, is_new = await workflows.add(principal, name, draft)
    response.status_code = 201 if is_new else 200
    return AddedVersion(name=name, version=version, content_hash=content_hash, created=is_new)


@router.get("/{name}/versions")
async def list_workflow_versions(
    name: WorkflowName, principal: Deployer, workflows: WorkflowsOfApp
) -> WorkflowVersions:
    """List the versions of a workflow, the newest first."""
    return WorkflowVersions(items=[WorkflowVersion.of(found) for found in await workflows.versions(principal, name)])


@router.get("/{name}/versions/{version}")
async def get_workflow_version(
    name: WorkflowName, version: VersionNumber, principal: Deployer, workflows: WorkflowsOfApp
) -> WholeVersion:
    """Read a version with its content."""
    return WholeVersion.of_version(await workflows.version(principal, name, version))


@router.post("/{name}/validate")
async def validate_workflow(
    request: Request, name: WorkflowName, body: ChosenVersion, principal: Deployer, workflows: WorkflowsOfApp
) -> Validation:
    """Let Kailash check a version in the sandbox, without running it."""
    work = workflows.validate(principal, name, body.version)
    return Validation.of(await cancel_on_disconnect(request, work))


@router.post("/{name}/dry-run", openapi_extra=DRY_RUN_BODY)
async def dry_run_workflow(request: Request, name: WorkflowName, principal: Deployer, dry_runs: DryRunsOfApp) -> DryRun:
    """Run a validated version without changing data: nodes that would are not run, and reported."""
    wanted = await read_model(request, DryRunRequest, MAX_MESSAGE_BYTES)
    work = dry_runs.run(principal, name, wanted.version, wanted.arguments, wanted.outputs)
    return await cancel_on_disconnect(request, work)


@router.post("/{name}/versions/{version}/publish")
async def publish_workflow_version(
    name: WorkflowName, version: VersionNumber, principal: Deployer, workflows: WorkflowsOfApp
) -> WorkflowVersion:
    """Publish a version whose dry run has finished, so that it can be run, and aliases can name it."""
    return WorkflowVersion.of(await workflows.publish(principal, name, version))


@router.get("/{name}/aliases/{alias}")
async def get_workflow_alias(
    name: WorkflowName, alias: AliasName, principal: Caller, workflows: WorkflowsOfApp
) -> Alias:
    """Read which version an alias names, and its moves."""
    return Alias.of(alias, *await workflows.alias(principal, name, alias))


@router.put("/{name}/aliases/{alias}")
async def replace_workflow_alias(
    name: WorkflowName, alias: AliasName, body: ChosenVersion, principal: Deployer, workflows: WorkflowsOfApp
) -> Alias:
    """Deploy: let an alias name a published version. Move it back to roll back."""
    return Alias.of(alias, *await workflows.move_alias(principal, name, alias, body.version))


@router.delete("/{name}/aliases/{alias}", status_code=204)
async def delete_workflow_alias(
    name: WorkflowName, alias: AliasName, principal: Deployer, workflows: WorkflowsOfApp
) -> None:
    """Let an alias name nothing, so that nothing is run by it."""
    await workflows.delete_alias(principal, name, alias)
