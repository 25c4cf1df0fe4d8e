"""Dependencies of the endpoints in this folder."""

from typing import Annotated

from fastapi import Depends

from mcp_server.context import ContextOfApp
from mcp_server.tools.service import ToolService


async def get_tool_service(context: ContextOfApp) -> ToolService:
    """Return the service of tools."""
    return context.tools


ToolServiceOfApp = Annotated[ToolService, Depends(get_tool_service)]
