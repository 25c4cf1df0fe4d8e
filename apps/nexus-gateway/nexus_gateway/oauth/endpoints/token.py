"""The token endpoint."""

import base64
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request, Response

from nexus_chassis.limits import SMALL_BODY_BYTES
from nexus_chassis.request_body import read_body
from nexus_chassis.routing import Router
from nexus_gateway.audit.dependencies import get_audit
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.auth.client_address import client_address
from nexus_gateway.oauth.dependencies import Exchange, Issuer, RegisteredClients
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.grants.client_credentials import issue_client_token
from nexus_gateway.oauth.grants.token_exchange import TokenExchange
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.models import Client, IssuedToken
from nexus_gateway.oauth.schemas import ACCESS_TOKEN_TYPE, GrantType, OAuthTokenResponse, TokenForm

FORM_TYPE = "application/x-www-form-urlencoded"
_MAX_FIELDS = 20
_FORM = {"content": {FORM_TYPE: {"schema": TokenForm.model_json_schema()}}, "required": True}

router = Router(tags=["oauth"])


@router.post(
    "/oauth/token",
    summary="Token endpoint for services (RFC 6749, RFC 8693)",
    openapi_extra={"requestBody": _FORM},
)
async def create_token(
    request: Request, issuer: Issuer, clients: RegisteredClients, exchange: Exchange, response: Response
) -> OAuthTokenResponse:
    """Grants `client_credentials` and token exchange, for clients that authenticate by HTTP Basic."""
    address, audit = client_address(request), await get_audit(request)
    try:
        client = clients.authenticate(*_basic(request.headers.get("authorization", "")))
        form = await _form(request)
        issued = await _issue(issuer, exchange, client, form, address)
    except OAuthError as error:
        audit.record_repeated(AuditEvent("token.issue", "refused", address=address, detail={"error": error.error}))
        raise
    if form.grant_type == GrantType.CLIENT_CREDENTIALS:
        audit.record(
            AuditEvent(
                "token.issue",
                subject=client.id,
                client_id=client.id,
                target=form.audience,
                address=address,
                detail={"scope": issued.scope},
            )
        )
    response.headers["Cache-Control"] = "no-store"
    return OAuthTokenResponse(access_token=issued.token, expires_in=issued.expires_in, scope=issued.scope)


async def _issue(
    issuer: TokenIssuer, exchange: TokenExchange, client: Client, form: TokenForm, address: str
) -> IssuedToken:
    match form.grant_type:
        case GrantType.CLIENT_CREDENTIALS:
            return issue_client_token(issuer, client, form.audience, form.scope)
        case GrantType.TOKEN_EXCHANGE:
            if form.subject_token_type != ACCESS_TOKEN_TYPE:
                raise OAuthError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN_TYPE}.")
            return await exchange.issue(client, form.subject_token, form.audience, form.scope, address=address)
        case other:
            raise OAuthError("unsupported_grant_type", f"Found {other!r}. Use one of {', '.join(GrantType)}.")


async def _form(request: Request) -> TokenForm:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise OAuthError("invalid_request", f"Send the parameters as {FORM_TYPE}.")
    body = await read_body(request, SMALL_BODY_BYTES)
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:  # includes UnicodeDecodeError
        raise OAuthError("invalid_request", f"The form cannot be read. Send at most {_MAX_FIELDS} fields.") from None
    if len(dict(pairs)) < len(pairs):
        raise OAuthError("invalid_request", "A parameter is given twice.")
    return TokenForm.model_validate(dict(pairs))


def _basic(authorization: str) -> tuple[str, str]:
    """Client id and secret, each form-encoded inside (RFC 6749 section 2.3.1)."""
    scheme, _, credentials = authorization.partition(" ")
    try:
        decoded = base64.b64decode(credentials, validate=True).decode()
    except ValueError:  # no ASCII, no Base64, or no UTF-8 inside
        decoded = ""
    client_id, found, secret = decoded.partition(":")
    if scheme.lower() != "basic" or not found:
        raise OAuthError("invalid_client", "Send the client's id and secret by HTTP Basic.")
    return unquote_plus(client_id), unquote_plus(secret)
