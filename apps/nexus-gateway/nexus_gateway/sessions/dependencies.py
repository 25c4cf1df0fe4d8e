"""What the session endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.context import get_context
from nexus_gateway.sessions.service import SessionService


async def get_session_service(connection: HTTPConnection) -> SessionService:
    """The application's session service."""
    return (await get_context(connection)).sessions


Sessions = Annotated[SessionService, Depends(get_session_service)]
