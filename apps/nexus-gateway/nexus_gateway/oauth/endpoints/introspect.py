"""Token introspection (RFC 7662)."""

from typing import Any

from fastapi import Request, Response

from nexus_chassis.routing import Router
from nexus_gateway.oauth.dependencies import Tokens
from nexus_gateway.oauth.endpoints.bodies import form_of, no_store
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.forms import read_form
from nexus_gateway.oauth.schemas import TokenFieldForm

router = Router(tags=["oauth"])


@router.post("/oauth/introspect", summary="Look into a token (RFC 7662)", openapi_extra=form_of(TokenFieldForm))
async def introspect_token(request: Request, tokens: Tokens, response: Response) -> dict[str, Any]:
    """What an access token says whose audience is the client itself; `active` is false for every other text."""
    no_store(response)
    form = await read_form(request)
    authenticated = await tokens.authenticate(request.headers.get("authorization"), form)
    if (token := form.get("token")) is None:
        raise OAuthError("invalid_request", "Send the token in the field token.")
    return await tokens.introspect(authenticated.client, token)
