"""GET /v1/sessions."""

from typing import Annotated, Any

from fastapi import Depends

from mcp_server.sessions.dependencies import SessionServiceOfApp
from nexus_chassis.routing import Router
from nexus_chassis.tokens import Principal, require

router = Router(prefix="/v1", tags=["sessions"])


@router.get("/sessions")
async def list_sessions(
    sessions: SessionServiceOfApp, principal: Annotated[Principal, Depends(require("tools:call"))]
) -> dict[str, Any]:
    """List the caller's own sessions over HTTP, each with the revision of the protocol and what its client is."""
    return {"items": await sessions.of_user(principal.subject)}
