"""Own sessions."""

from fastapi import Request, Response

from nexus_gateway.account.dependencies import AccountServices, CurrentUser, SignedInBrowsers
from nexus_gateway.account.devices import devices
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.pages.forms import read_form
from nexus_gateway.pages.redirects import LOGIN, see_other
from nexus_gateway.pages.rendering import render
from nexus_gateway.pages.routing import PageRouter

_SESSIONS = "/account/sessions"

router = PageRouter()


@router.get(_SESSIONS, summary="Own devices")
async def own_sessions(request: Request, account: AccountServices, user: CurrentUser) -> Response:
    """The devices on which the user is signed in."""
    found = devices(await account.sessions.of_user(user.id), user.session)
    return render(request, "account/templates/sessions.html", user=user, devices=found)


@router.post(f"{_SESSIONS}/{{session}}/end", summary="Sign out one device")
async def end_session(request: Request, account: AccountServices, user: CurrentUser, session: str) -> Response:
    """End one of the user's sessions; does nothing where it has ended already."""
    await read_form(request)
    await account.sessions.end(user.id, session, address=client_address(request))
    return see_other(_SESSIONS)


@router.post(f"{_SESSIONS}/end", summary="Sign out all devices")
async def end_all_sessions(
    request: Request, account: AccountServices, browsers: SignedInBrowsers, user: CurrentUser
) -> Response:
    """End all of the user's sessions, that of this browser included."""
    await read_form(request)
    await account.sessions.end_all(user.id, address=client_address(request))
    response = see_other(f"{LOGIN}?notice=signed-out-everywhere")
    await browsers.end(request, response)
    return response
