"""What the status endpoint depends on."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from nexus_chassis.tokens import Principal, bearer_token
from nexus_gateway.auth.dependencies import get_current_principal
from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.context import get_context
from nexus_gateway.status.service import StatusService, TokenFor


async def get_status_service(connection: HTTPConnection) -> StatusService:
    """The application's status service."""
    return (await get_context(connection)).status


async def get_administrator(connection: HTTPConnection) -> Principal | None:
    """Who sends the request, if it is an administrator; None without a token or without the scope.

    Raises Problem 401 for a token that is not valid.
    """
    if bearer_token(connection) is None:
        return None
    principal = await get_current_principal(connection)
    return principal if ADMIN in principal.scopes else None


async def get_token_for(connection: HTTPConnection) -> TokenFor | None:
    """Issues an administrator's tokens for the services; None for anybody else."""
    administrator = await get_administrator(connection)
    if administrator is None:
        return None
    issuer = (await get_context(connection)).issuer
    return lambda service: issuer.issue_route_token(administrator, service)


Status = Annotated[StatusService, Depends(get_status_service)]
AdministratorTokens = Annotated[TokenFor | None, Depends(get_token_for)]
