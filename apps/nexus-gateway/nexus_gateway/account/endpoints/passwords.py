"""Own password: changed by who knows it, or reset by a single-use link."""

from fastapi import Request, Response

from nexus_gateway.account.dependencies import AccountServices, CurrentUser, SignedInBrowsers
from nexus_gateway.account.form_errors import FormErrors, faults_of, missing
from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.pages.forms import read_form
from nexus_gateway.pages.redirects import LOGIN, see_other
from nexus_gateway.pages.rendering import render
from nexus_gateway.pages.routing import PageRouter

_CHANGED = f"{LOGIN}?notice=password-changed"
_CURRENT, _NEW, _REPEATED = "current-password", "new-password", "repeated-password"
_NEEDED_NEW = {_NEW: "Enter a new password", _REPEATED: "Enter the new password again"}
_NEEDED = {_CURRENT: "Enter your current password", **_NEEDED_NEW}
_FIELDS = {"wrong-password": _CURRENT, "weak-password": _NEW}

router = PageRouter()


@router.get("/account/password", summary="Page to change the own password")
async def password_page(request: Request, user: CurrentUser) -> Response:
    """The form to change the own password with."""
    return _change_page(request, user, FormErrors())


@router.post("/account/password", summary="Change the own password")
async def change_password(
    request: Request, account: AccountServices, browsers: SignedInBrowsers, user: CurrentUser
) -> Response:
    """Set a new password; every session of the user ends."""
    form = await read_form(request)
    if (errors := missing(form, _NEEDED) or _unequal(form)) is not None:
        return _change_page(request, user, errors)
    try:
        await account.passwords.change_password(user.id, form[_CURRENT], form[_NEW], address=client_address(request))
    except Exception as error:  # noqa: BLE001  raised again where the page cannot show it
        return _change_page(request, user, faults_of(request, error, _FIELDS))
    response = see_other(_CHANGED)
    await browsers.end(request, response)
    return response


@router.get("/password-reset/{token}", summary="Page to set a new password with a single-use link")
async def reset_page(request: Request, token: str) -> Response:
    """The form behind a link that an administrator made. Opening it does not use the link up."""
    return _reset_page(request, token, FormErrors())


@router.post("/password-reset/{token}", summary="Set a new password with a single-use link")
async def reset_password(
    request: Request, account: AccountServices, browsers: SignedInBrowsers, token: str
) -> Response:
    """Set the password; the link is used up, and every session of the user ends."""
    form = await read_form(request)
    if (errors := missing(form, _NEEDED_NEW) or _unequal(form)) is not None:
        return _reset_page(request, token, errors)
    try:
        await account.passwords.reset_password(token, form[_NEW], address=client_address(request))
    except Exception as error:  # noqa: BLE001  raised again where the page cannot show it
        return _reset_page(request, token, faults_of(request, error, _FIELDS))
    response = see_other(_CHANGED)
    await browsers.end(request, response)
    return response


def _unequal(form: dict[str, str]) -> FormErrors | None:
    if form[_NEW] == form[_REPEATED]:
        return None
    return FormErrors(422, [(_REPEATED, "Enter the same password in both fields")])


def _change_page(request: Request, user: BrowserUser, errors: FormErrors) -> Response:
    template = "account/templates/password.html"
    return render(request, template, user=user, status=errors.status, headers=errors.headers, errors=errors.faults)


def _reset_page(request: Request, token: str, errors: FormErrors) -> Response:
    template = "account/templates/password_reset.html"
    return render(request, template, status=errors.status, headers=errors.headers, errors=errors.faults, token=token)
