"""The token endpoint."""

from fastapi import Request, Response

from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import RequestPeer, Tokens
from nexus_gateway.oauth.endpoints.bodies import form_of, no_store
from nexus_gateway.oauth.forms import read_form
from nexus_gateway.oauth.schemas import ACCESS_TOKEN_TYPE, OAuthTokenResponse, TokenForm

router = Router(tags=["oauth"])


@router.post(
    "/oauth/token",
    summary="Token endpoint (RFC 6749, RFC 8693)",
    openapi_extra=form_of(TokenForm),
    response_model_exclude_none=True,
)
async def create_token(request: Request, tokens: Tokens, peer: RequestPeer, response: Response) -> OAuthTokenResponse:
    """Grants `authorization_code`, `refresh_token`, `client_credentials` and token exchange."""
    no_store(response)
    form = await read_form(request)
    issued = await tokens.issue(request.headers.get("authorization"), form, peer)
    return OAuthTokenResponse(
        access_token=issued.access.token,
        expires_in=issued.access.expires_in,
        scope=issued.access.scope,
        refresh_token=issued.refresh_token,
        issued_token_type=ACCESS_TOKEN_TYPE if issued.exchanged else None,
    )
