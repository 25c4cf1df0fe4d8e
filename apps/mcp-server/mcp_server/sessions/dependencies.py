"""Dependencies of the endpoints in this folder."""

from typing import Annotated

from fastapi import Depends

from mcp_server.context import ContextOfApp
from mcp_server.sessions.service import SessionService


async def get_session_service(context: ContextOfApp) -> SessionService:
    """Return the service of sessions."""
    return context.sessions


SessionServiceOfApp = Annotated[SessionService, Depends(get_session_service)]
