"""Users over HTTP."""

from typing import Annotated

from fastapi import Query, Request, Response

from nexus_chassis.routing import DirectRoute, Router
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.dependencies import Administrator, CurrentRequester, get_access
from nexus_gateway.context import get_context
from nexus_gateway.pagination import DEFAULT_LIMIT, Limit
from nexus_gateway.users.dependencies import PasswordsOfUsers, Users, WantedVersions
from nexus_gateway.users.models import USERNAME_PATTERN, User
from nexus_gateway.users.schemas import (
    Me,
    PasswordChange,
    PasswordReset,
    ResetLinkBody,
    UserBody,
    UserCreation,
    UserPage,
    UserPatch,
)

router = Router(tags=["users"])


async def me(request: Request) -> Response:
    """Subject, user name, tenant, roles, scopes and session of the token that was sent."""
    access = await get_access(request)
    principal = access.principal
    body = Me(
        subject=principal.subject,
        username=access.session.username if access.session else None,
        tenant=principal.tenant,
        roles=await (await get_context(request)).logins.roles_of(principal),
        client_id=principal.client_id,
        scopes=sorted(principal.scopes),
        session_id=principal.session,
        expires_at=principal.expires_at,
    )
    return Response(body.model_dump_json(), media_type="application/json")


router.add_api_route("/v1/me", me, response_model=Me, summary="Who sends the request", route_class_override=DirectRoute)


@router.get("/v1/users", summary="The users")
async def list_users(
    administrator: Administrator,
    users: Users,
    after: Annotated[str, Query(pattern=rf"^$|{USERNAME_PATTERN}")] = "",
    limit: Limit = DEFAULT_LIMIT,
) -> UserPage:
    """Users by name. Administrators of the tenant `default` see all, those of another tenant see that tenant's."""
    page = await users.page(administrator, after, limit)
    return UserPage(items=[UserBody.model_validate(user) for user in page.items], next=page.next)


@router.post("/v1/users", status_code=201, summary="Create a user")
async def create_user(new: UserCreation, administrator: Administrator, users: Users, response: Response) -> UserBody:
    """Create a user. Only administrators of the tenant `default` can create one in another tenant than their own."""
    user = await users.create(administrator, new.new_user())
    response.headers["Location"] = f"/v1/users/{user.id}"
    return _answer(user, response)


@router.get("/v1/users/{user_id}", summary="A user")
async def read_user(user_id: str, administrator: Administrator, users: Users, response: Response) -> UserBody:
    """A user of a tenant that the administrator administers; the ETag stands for what they are now."""
    return _answer(await users.get(administrator, user_id), response)


@router.patch("/v1/users/{user_id}", summary="Change a user")
async def change_user(
    *,
    user_id: str,
    patch: UserPatch,
    administrator: Administrator,
    users: Users,
    versions: WantedVersions,
    response: Response,
) -> UserBody:
    """Change roles, e-mail address, or whether the user is disabled; with If-Match only what the administrator saw.

    A disabled user's sessions end. With other roles the user's access tokens end, and refreshed ones have the new scopes.
    """
    return _answer(await users.update(administrator, user_id, patch.change(), versions), response)


@router.delete("/v1/users/{user_id}", status_code=204, summary="Remove a user")
async def remove_user(user_id: str, administrator: Administrator, users: Users, versions: WantedVersions) -> None:
    """Remove a user and end their sessions."""
    await users.remove(administrator, user_id, versions)


@router.post("/v1/users/{user_id}/password-reset", status_code=201, summary="A link to set a new password")
async def create_reset_link(
    user_id: str, administrator: Administrator, passwords: PasswordsOfUsers, response: Response
) -> ResetLinkBody:
    """An address at which the user can set a new password once, within an hour. Send it to nobody else."""
    response.headers["Cache-Control"] = "no-store"
    return ResetLinkBody.model_validate(await passwords.create_reset_link(administrator, user_id))


@router.put("/v1/me/password", status_code=204, summary="Change the own password")
async def change_password(change: PasswordChange, requester: CurrentRequester, passwords: PasswordsOfUsers) -> None:
    """Change the own password. All own sessions end, that of the request as well."""
    await passwords.change_password(
        str(requester.subject), change.current_password, change.new_password, address=requester.address
    )


@router.post("/v1/password-reset", status_code=204, summary="Set a new password by a link")
async def reset_password(reset: PasswordReset, request: Request, passwords: PasswordsOfUsers) -> None:
    """Set the password of the user whom an administrator made the link for. All sessions of the user end."""
    await passwords.reset_password(reset.token, reset.new_password, address=client_address(request))


def _answer(user: User, response: Response) -> UserBody:
    response.headers["ETag"] = f'"{user.version}"'
    return UserBody.model_validate(user)
