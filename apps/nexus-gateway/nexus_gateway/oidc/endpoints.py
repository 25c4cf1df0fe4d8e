"""The way of a browser to a provider and back."""

import secrets
import time

from fastapi import Request, Response

from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.dependencies import CurrentBrowserUser
from nexus_gateway.auth.public_address import PublicAddress
from nexus_gateway.context import get_context
from nexus_gateway.oidc.dependencies import Logins, ProviderAnswer, SignedInBrowsers
from nexus_gateway.oidc.errors import ExternalLoginError
from nexus_gateway.oidc.pending import SECONDS
from nexus_gateway.oidc.service import ExternalLogins
from nexus_gateway.pages.login import render_login
from nexus_gateway.pages.redirects import local_path, see_other
from nexus_gateway.pages.routing import AnyQueryPageRoute, PageRouter

_MAX_COOKIE = 128
_REFUSED = 403

router = PageRouter()
callback_router = PageRouter(route_class=AnyQueryPageRoute)
routers = (router, callback_router)


@router.get("/login/oidc/{name}", summary="Sign in by a provider")
async def begin(
    *,
    request: Request,
    logins: Logins,
    browsers: SignedInBrowsers,
    user: CurrentBrowserUser,
    name: str,
    next: str = "/",  # noqa: A002  the parameter's name
) -> Response:
    """To the provider; who is signed in goes on to the local path `next`."""
    target = local_path(next)
    if user is not None:
        return see_other(target)
    browser = _cookie(request, browsers.address) or secrets.token_urlsafe(32)
    try:
        response = see_other(await logins.begin(name, target, browser))
    except ExternalLoginError as error:
        return _failed(request, logins, error, target)
    response.set_cookie(
        _cookie_name(browsers.address),
        browser,
        max_age=SECONDS,
        path="/",
        secure=browsers.address.is_secure,
        httponly=True,
        samesite="lax",  # the provider's redirect is a navigation from another site
    )
    return response


@callback_router.get("/login/oidc/{name}/callback", summary="Back from a provider")
async def finish(
    *,
    request: Request,
    logins: Logins,
    browsers: SignedInBrowsers,
    former: CurrentBrowserUser,
    name: str,
    answer: ProviderAnswer,
) -> Response:
    """Begin a session of whoever the provider has signed in; the browser receives a cookie for it."""
    browser = _cookie(request, browsers.address) or ""
    agent, address = request.headers.get("user-agent", ""), client_address(request)
    try:
        entered = await logins.finish(name, answer, browser, address, agent)
    except ExternalLoginError as error:
        return _failed(request, logins, error)
    if former is not None:
        await (await get_context(request)).sessions.end(former.id, former.session, address=address)
    response = see_other(entered.next)
    await browsers.begin(response, entered.session.id, entered.session.expires - int(time.time()))
    return response


def _failed(request: Request, logins: ExternalLogins, error: ExternalLoginError, target: str = "/") -> Response:
    status = 503 if error.reason == "provider-away" else _REFUSED
    return render_login(request, logins.choices, status=status, errors=[("", str(error))], next_path=target)


def _cookie_name(address: PublicAddress) -> str:
    """Another cookie than that of the session, which ends with each sign-in."""
    return f"{address.cookie}-login"


def _cookie(request: Request, address: PublicAddress) -> str | None:
    value = request.cookies.get(_cookie_name(address), "")
    return value if 0 < len(value) <= _MAX_COOKIE and value.isascii() else None
