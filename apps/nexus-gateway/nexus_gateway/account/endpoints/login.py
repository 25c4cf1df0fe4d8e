"""Signing in and out at a browser."""

import time

from fastapi import Request, Response

from nexus_gateway.account.dependencies import AccountServices, SignedInBrowsers
from nexus_gateway.account.form_errors import FormErrors, faults_of, missing
from nexus_gateway.account.service import Account, Session
from nexus_gateway.auth.browsers import Browsers
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.auth.dependencies import CurrentBrowserUser
from nexus_gateway.pages.forms import read_form
from nexus_gateway.pages.login import render_login
from nexus_gateway.pages.redirects import LOGIN, local_path, see_other
from nexus_gateway.pages.rendering import render_continue
from nexus_gateway.pages.routing import PageRouter

_AUTHORIZE = "/oauth/"
_MAX_USERNAME = 63
_MAX_PASSWORD = 1024
_NEEDED = {"username": "Enter your user name", "password": "Enter your password"}
_FIELDS = {"wrong-credentials": "username"}
_NOTICES = {
    "signed-out": "You are signed out.",
    "signed-out-everywhere": "You are signed out on all devices.",
    "password-changed": "Your password was changed, and all devices are signed out. Sign in with the new password.",
}

router = PageRouter()


@router.get(LOGIN, summary="Login page")
async def login_page(
    request: Request,
    account: AccountServices,
    user: CurrentBrowserUser,
    next: str = "/",  # noqa: A002  the parameter's name
    notice: str = "",
) -> Response:
    """The form to sign in with; who is signed in goes on to the local path `next`."""
    if user is not None:
        return see_other(local_path(next))
    return _page(request, account, {"next": local_path(next)}, notice=_NOTICES.get(notice, ""))


@router.post(LOGIN, summary="Sign in at a browser")
async def log_in(
    request: Request, account: AccountServices, browsers: SignedInBrowsers, former: CurrentBrowserUser
) -> Response:
    """Begin a session, with the limits of `POST /v1/sessions`; the browser receives a cookie for it."""
    form = await read_form(request)
    if (errors := missing(form, _NEEDED) or _too_long(form)) is not None:
        return _page(request, account, form, errors)
    agent, address = request.headers.get("user-agent", ""), client_address(request)
    try:
        begun = await account.sessions.sign_in(form["username"], form["password"], address, agent)
    except Exception as error:  # noqa: BLE001  raised again where the page cannot show it
        return _page(request, account, form, faults_of(request, error, _FIELDS))
    if former is not None:
        await account.sessions.end(former.id, former.session, address=address)
    return await _go_on(request, browsers, begun.session, local_path(form.get("next", "/")))


@router.post("/logout", summary="Sign out at a browser")
async def log_out(
    request: Request, account: AccountServices, browsers: SignedInBrowsers, user: CurrentBrowserUser
) -> Response:
    """End the browser's session."""
    await read_form(request)
    if user is not None:
        await account.sessions.end(user.id, user.session, address=client_address(request))
    response = see_other(f"{LOGIN}?notice=signed-out")
    await browsers.end(request, response)
    return response


async def _go_on(request: Request, browsers: Browsers, session: Session, target: str) -> Response:
    """A redirect would stay under the form's policy, which an application's address is no part of."""
    response = render_continue(request, target) if target.startswith(_AUTHORIZE) else see_other(target)
    await browsers.begin(response, session.id, session.expires - int(time.time()))
    return response


def _too_long(form: dict[str, str]) -> FormErrors | None:
    if len(form["username"]) > _MAX_USERNAME or "\0" in form["username"]:
        return FormErrors(422, [("username", f"A user name has at most {_MAX_USERNAME} characters")])
    if len(form["password"]) > _MAX_PASSWORD:
        return FormErrors(422, [("password", f"A password has at most {_MAX_PASSWORD} characters")])
    return None


def _page(
    request: Request, account: Account, form: dict[str, str], errors: FormErrors | None = None, notice: str = ""
) -> Response:
    errors = errors or FormErrors()
    return render_login(
        request,
        account.login_choices,
        status=errors.status,
        headers=errors.headers,
        errors=errors.faults,
        notice=notice,
        username=form.get("username", ""),
        next_path=local_path(form.get("next", "/")),
    )
