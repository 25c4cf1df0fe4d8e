"""Dependencies of the endpoints in this folder."""

from typing import Annotated

from fastapi import Depends

from mcp_server.context import ContextOfApp
from mcp_server.tools.management import ToolManagement
from mcp_server.tools.service import ToolService


async def get_tool_service(context: ContextOfApp) -> ToolService:
    """Return the service of tools."""
    return context.tools


async def get_tool_management(context: ContextOfApp) -> ToolManagement:
    """Return what registers tools."""
    return context.tool_management


ToolServiceOfApp = Annotated[ToolService, Depends(get_tool_service)]
ToolManagementOfApp = Annotated[ToolManagement, Depends(get_tool_management)]
