"""The authorization endpoint (RFC 6749 section 3.1), and the page on which users decide."""

from authlib.oauth2 import OAuth2Error
from fastapi import Request, Response

from nexus_gateway.auth.browsers import BrowserUser
from nexus_gateway.auth.dependencies import CurrentBrowserUser
from nexus_gateway.oauth.authorization import AuthorizationRequest, AuthorizationService
from nexus_gateway.oauth.dependencies import Authorization
from nexus_gateway.oauth.errors import OAuthError, RefusedAuthorizationError
from nexus_gateway.oauth.forms import check_parameters, parse_parameters
from nexus_gateway.oauth.redirect_uris import form_action, is_web
from nexus_gateway.pages.forms import read_form
from nexus_gateway.pages.redirects import login_redirect
from nexus_gateway.pages.rendering import render
from nexus_gateway.pages.routing import AnyQueryPageRoute, PageRouter

_ALLOW = "allow"
_PARAMETERS = (
    *("response_type", "client_id", "redirect_uri", "scope", "state", "resource", "response_mode"),
    *("code_challenge", "code_challenge_method"),
)
_MEANINGS = {
    "admin": "administer everything, users included",
    "classify": "classify products",
    "data:admin": "administer the data",
    "data:read": "read the data",
    "data:write": "change the data",
    "tools:call": "use the tools for agents",
    "workflows:deploy": "deploy workflows",
}

router = PageRouter(route_class=AnyQueryPageRoute)


@router.get("/oauth/authorize")
async def authorize(request: Request, authorization: Authorization, user: CurrentBrowserUser) -> Response:
    """Ask the user who is signed in at the browser, or answer the client at once."""
    if user is None:
        return login_redirect(request)
    try:
        parameters = parse_parameters(request.scope["query_string"])
    except OAuthError as error:  # no redirect URI of such a request can be trusted
        raise RefusedAuthorizationError(error.description) from None
    try:
        wanted = await authorization.read(parameters, user)
    except OAuth2Error as error:
        return _to_client(authorization.refuse(error, parameters.get("state")))
    if await authorization.needs_consent(wanted, user):
        return _consent_page(request, wanted, user)
    return _to_client(await authorization.grant(wanted, user, asked=False))


@router.post("/oauth/authorize")
async def decide(request: Request, authorization: Authorization, user: CurrentBrowserUser) -> Response:
    """What the user decided on the page."""
    if user is None:
        return login_redirect(request)
    form = await read_form(request)
    decision = form.pop("decision", "")
    return await _decide(authorization, user, decision, form)


async def _decide(
    authorization: AuthorizationService, user: BrowserUser, decision: str, form: dict[str, str]
) -> Response:
    try:
        parameters = check_parameters(form.items())
    except OAuthError as error:
        raise RefusedAuthorizationError(error.description) from None
    try:
        wanted = await authorization.read(parameters, user)
    except OAuth2Error as error:
        return _to_client(authorization.refuse(error, parameters.get("state")))
    if decision == _ALLOW:
        return _to_client(await authorization.grant(wanted, user, asked=True))
    return _to_client(authorization.deny(wanted))


def _consent_page(request: Request, wanted: AuthorizationRequest, user: BrowserUser) -> Response:
    return render(
        request,
        "oauth/templates/consent.html",
        form_action=[form_action(wanted.redirect_uri)],
        user=user,
        client=wanted.client,
        audience=wanted.audience,
        scopes=[(scope, _MEANINGS.get(scope, f"use the service {scope}")) for scope in sorted(wanted.scopes)],
        destination=form_action(wanted.redirect_uri),
        on_own_computer=not is_web(wanted.redirect_uri),
        parameters=[(name, wanted.parameters[name]) for name in _PARAMETERS if name in wanted.parameters],
    )


def _to_client(location: str) -> Response:
    """To the client; the address of this page, which it has no business with, is not sent along as Referer."""
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status_code=303, headers={"Location": location, **headers})
