"""Roles over HTTP."""

from typing import Annotated

from fastapi import Depends, Query, Response

from nexus_chassis.routing import Router
from nexus_gateway.auth.dependencies import Administrator, get_administrator
from nexus_gateway.pagination import DEFAULT_LIMIT, Limit
from nexus_gateway.roles.dependencies import Roles
from nexus_gateway.roles.models import NAME_PATTERN, Role
from nexus_gateway.roles.schemas import RoleBody, RoleName, RolePage, RoleScopes

router = Router(prefix="/v1/roles", tags=["roles"])


@router.get("", summary="The roles", dependencies=[Depends(get_administrator)])
async def list_roles(
    roles: Roles, after: Annotated[str, Query(pattern=rf"^$|{NAME_PATTERN}")] = "", limit: Limit = DEFAULT_LIMIT
) -> RolePage:
    """Roles by name, with their scopes; for administrators."""
    page = await roles.page(after, limit)
    return RolePage(items=[RoleBody.of(role) for role in page.items], next=page.next)


@router.put(
    "/{name}",
    summary="Create or change a role",
    responses={201: {"model": RoleBody, "description": "The role was created"}},
)
async def put_role(
    name: RoleName, wanted: RoleScopes, administrator: Administrator, roles: Roles, response: Response
) -> RoleBody:
    """Set the scopes of a role; for administrators of the tenant `default`.

    The access tokens of its users end, and their refreshed ones have the new scopes. The role `admin` is built in.
    """
    role = Role(name, frozenset(wanted.scopes))
    if await roles.put(administrator, role):
        response.status_code = 201
    return RoleBody.of(role)


@router.delete("/{name}", status_code=204, summary="Remove a role")
async def remove_role(name: RoleName, administrator: Administrator, roles: Roles) -> None:
    """Remove a role that no user has; for administrators of the tenant `default`."""
    await roles.remove(administrator, name)
