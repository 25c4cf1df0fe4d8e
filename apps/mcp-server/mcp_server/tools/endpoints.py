"""GET /v1/tools."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from mcp_server.tools.registry import Toolbox
from nexus_chassis.tokens import require

router = APIRouter(prefix="/v1", tags=["tools"], dependencies=[Depends(require("tools:call"))])


def toolbox_of(request: Request) -> Toolbox:
    """Give the tools of this server."""
    toolbox: Toolbox = request.app.state.toolbox
    return toolbox


@router.get("/tools")
async def list_tools(toolbox: Annotated[Toolbox, Depends(toolbox_of)]) -> dict[str, Any]:
    """List the tools with their schemas and the scopes they need."""
    return {"items": toolbox.describe()}
