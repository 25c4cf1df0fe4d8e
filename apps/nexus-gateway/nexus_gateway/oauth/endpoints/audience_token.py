"""Tokens for another service, for those who signed in here."""

from fastapi import Response

from nexus_chassis.routing import Router
from nexus_gateway.audit.dependencies import Audit
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.auth.client_address import ClientAddress
from nexus_gateway.auth.dependencies import CurrentPrincipal
from nexus_gateway.oauth.dependencies import Issuer
from nexus_gateway.oauth.schemas import AudienceRequest, TokenResponse

router = Router(tags=["oauth"])


@router.post("/v1/tokens", status_code=201, summary="A token for another service")
async def create_audience_token(
    wanted: AudienceRequest,
    principal: CurrentPrincipal,
    issuer: Issuer,
    response: Response,
    *,
    audit: Audit,
    address: ClientAddress,
) -> TokenResponse:
    """A token for the service `audience`; it expires no later than the one that was sent."""
    issued = issuer.issue_audience_token(principal, wanted.audience, wanted.scopes)
    detail = {"scope": issued.scope}
    audit.record(AuditEvent.by(principal, "token.issue", target=wanted.audience, address=address, detail=detail))
    response.headers["Cache-Control"] = "no-store"
    return TokenResponse(access_token=issued.token, expires_in=issued.expires_in, scope=issued.scope)
