"""Token revocation (RFC 7009)."""

from fastapi import Request, Response

from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import Tokens
from nexus_gateway.oauth.endpoints.bodies import form_of, no_store
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.forms import read_form
from nexus_gateway.oauth.schemas import TokenFieldForm

router = Router(tags=["oauth"])


@router.post("/oauth/revoke", summary="Revoke a token (RFC 7009)", openapi_extra=form_of(TokenFieldForm))
async def revoke_token(request: Request, tokens: Tokens, response: Response) -> dict[str, str]:
    """End the session that a refresh or access token of the client belongs to; unknown tokens are no error."""
    no_store(response)
    form = await read_form(request)
    authenticated = await tokens.authenticate(request.headers.get("authorization"), form)
    if (token := form.get("token")) is None:
        raise OAuthError("invalid_request", "Send the token in the field token.")
    await tokens.revoke(authenticated.client, token)
    return {}
