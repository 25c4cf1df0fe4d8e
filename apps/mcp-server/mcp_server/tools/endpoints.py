"""GET /v1/tools."""

from typing import Any

from fastapi import Depends

from mcp_server.tools.dependencies import ToolServiceOfApp
from nexus_chassis.routing import Router
from nexus_chassis.tokens import require

router = Router(prefix="/v1", tags=["tools"], dependencies=[Depends(require("tools:call"))])


@router.get("/tools")
async def list_tools(tools: ToolServiceOfApp) -> dict[str, Any]:
    """List the tools with their schemas and the scopes they need."""
    return {"items": tools.with_scopes()}
