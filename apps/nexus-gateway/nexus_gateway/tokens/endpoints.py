"""Tokens over HTTP."""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from fastapi import APIRouter, Request, Response

from nexus_chassis.bodies import limited_to
from nexus_gateway.access import Caller
from nexus_gateway.services import Services, ServicesOfApp
from nexus_gateway.tokens.errors import OAuthError
from nexus_gateway.tokens.schemas import (
    ACCESS_TOKEN_TYPE,
    AudienceRequest,
    GrantType,
    OAuthTokenResponse,
    TokenForm,
    TokenResponse,
)
from nexus_gateway.tokens.service import Client, Grant

FORM_TYPE = "application/x-www-form-urlencoded"
_BODY_LIMIT = 65536
_KEYS_SECONDS = 300

router = APIRouter(tags=["tokens"], route_class=limited_to(_BODY_LIMIT))


@router.get("/.well-known/jwks.json", summary="Public keys of the access tokens")
async def jwks(services: ServicesOfApp, response: Response) -> dict[str, Any]:
    """JSON Web Key Set (RFC 7517)."""
    response.headers["Cache-Control"] = f"public, max-age={_KEYS_SECONDS}"
    return services.tokens.jwks


@router.post("/v1/tokens", status_code=201, summary="A token for another service")
async def token_for_audience(
    wanted: AudienceRequest, caller: Caller, services: ServicesOfApp, response: Response
) -> TokenResponse:
    """The caller's token for the service `audience`; it ends no later than the one that was sent."""
    grant = services.tokens.for_audience(caller, wanted.audience, wanted.scopes)
    response.headers["Cache-Control"] = "no-store"
    return TokenResponse(access_token=grant.token, expires_in=grant.expires_in, scope=grant.scope)


_FORM = {"content": {FORM_TYPE: {"schema": TokenForm.model_json_schema()}}, "required": True}


@router.post(
    "/oauth/token",
    summary="Token endpoint for services (RFC 6749, RFC 8693)",
    openapi_extra={"requestBody": _FORM},
)
async def oauth_token(request: Request, services: ServicesOfApp, response: Response) -> OAuthTokenResponse:
    """Grants `client_credentials` and token exchange, for clients that authenticate by HTTP Basic."""
    client = services.tokens.authenticate_client(*_basic(request.headers.get("authorization", "")))
    form = await _form(request)
    match form.grant_type:
        case GrantType.CLIENT_CREDENTIALS:
            grant = services.tokens.client_credentials(client, form.audience, form.scope)
        case GrantType.TOKEN_EXCHANGE:
            grant = await _exchange(services, client, form)
        case other:
            raise OAuthError("unsupported_grant_type", f"Found {other!r}. Use one of {', '.join(GrantType)}.")
    response.headers["Cache-Control"] = "no-store"
    return OAuthTokenResponse(access_token=grant.token, expires_in=grant.expires_in, scope=grant.scope)


async def _form(request: Request) -> TokenForm:
    if request.headers.get("content-type", "").partition(";")[0].strip() != FORM_TYPE:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM_TYPE}.")
    body = await request.body()
    pairs = parse_qsl(body.decode("ascii", "replace"))
    if len(dict(pairs)) < len(pairs):
        raise OAuthError("invalid_request", "A parameter is given twice.")
    return TokenForm.model_validate(dict(pairs))


async def _exchange(services: Services, client: Client, form: TokenForm) -> Grant:
    if form.subject_token_type != ACCESS_TOKEN_TYPE:
        raise OAuthError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN_TYPE}.")
    subject = await services.tokens.verify_subject(form.subject_token)
    if not await services.sessions.is_alive(subject):
        raise OAuthError("invalid_grant", "The subject_token is refused: its session was ended.")
    return services.tokens.exchange(client, subject, form.audience, form.scope)


def _basic(authorization: str) -> tuple[str, str]:
    """Client id and secret, each form-encoded inside (RFC 6749 section 2.3.1)."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    client_id, found, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not found:
        raise OAuthError("invalid_client", "Send the client's id and secret by HTTP Basic.")
    return unquote_plus(client_id), unquote_plus(secret)
