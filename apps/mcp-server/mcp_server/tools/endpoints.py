"""/v1/tools: the management of tools."""

from typing import Annotated, Any

from fastapi import Depends, Request, Response

from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.tools.definitions import ToolDefinition
from mcp_server.tools.dependencies import ToolManagementOfApp, ToolServiceOfApp
from mcp_server.tools.schemas import (
    IMPORT_BODY,
    ImportOutcome,
    ImportRequest,
    RegisteredTool,
    Rollback,
    ToolName,
    ToolOfVersion,
    ToolVersion,
    ToolVersions,
    VersionNumber,
)
from nexus_chassis.admission import ticket_of
from nexus_chassis.routing import Router, read_model
from nexus_chassis.tokens import Principal, require

router = Router(prefix="/v1/tools", tags=["tools"])

Caller = Annotated[Principal, Depends(require("tools:call"))]
Deployer = Annotated[Principal, Depends(require("workflows:deploy"))]


@router.get("")
async def list_tools(principal: Caller, tools: ToolServiceOfApp) -> dict[str, Any]:
    """List the tools with their schemas and the scopes they need."""
    return {"items": await tools.with_scopes(principal)}


@router.post(
    "",
    status_code=201,
    responses={200: {"description": "the version in use is the same already", "model": RegisteredTool}},
)
async def create_tool(
    definition: ToolDefinition, principal: Deployer, management: ToolManagementOfApp, response: Response
) -> RegisteredTool:
    """Register a tool, or a new version of it, and put it in use."""
    made = await management.register(principal, definition)
    response.status_code = 201 if made.is_new else 200
    return RegisteredTool(name=definition.name, version=made.version, created=made.is_new)


@router.post("/import", openapi_extra=IMPORT_BODY)
async def import_tools(request: Request, principal: Deployer, management: ToolManagementOfApp) -> ImportOutcome:
    """Register the operations of an OpenAPI document as tools; those of the import before that it lacks are deleted."""
    wanted = await read_model(request, ImportRequest, MAX_MESSAGE_BYTES)

    async def reserve(size: int) -> None:
        if (ticket := ticket_of(request)) is not None:
            await ticket.reserve(size)

    return await management.import_document(principal, wanted, reserve)


@router.delete("/{name}", status_code=204)
async def delete_tool(name: ToolName, principal: Deployer, management: ToolManagementOfApp) -> None:
    """Delete a registered tool with all its versions."""
    await management.delete(principal, name)


@router.get("/{name}/versions")
async def list_tool_versions(name: ToolName, principal: Deployer, management: ToolManagementOfApp) -> ToolVersions:
    """List the versions of a registered tool, the newest first."""
    return ToolVersions(items=[ToolVersion.of(found) for found in await management.versions(principal, name)])


@router.get("/{name}/versions/{version}", response_model_exclude_unset=True)
async def get_tool_version(
    name: ToolName, version: VersionNumber, principal: Deployer, management: ToolManagementOfApp
) -> ToolOfVersion:
    """Read a version of a registered tool with its definition."""
    found = await management.version(principal, name, version)
    return ToolOfVersion(version=found.version, digest=found.digest, definition=found.definition)


@router.post("/{name}/rollback", status_code=204)
async def roll_back_tool(name: ToolName, body: Rollback, principal: Deployer, management: ToolManagementOfApp) -> None:
    """Put another version of a registered tool in use."""
    await management.roll_back(principal, name, body.version)
