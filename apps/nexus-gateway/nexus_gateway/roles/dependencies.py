"""What the role endpoints depend on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_gateway.context import get_context
from nexus_gateway.roles.service import RoleService


async def get_role_service(connection: HTTPConnection) -> RoleService:
    """The application's role service."""
    return (await get_context(connection)).administration.roles


Roles = Annotated[RoleService, Depends(get_role_service)]
