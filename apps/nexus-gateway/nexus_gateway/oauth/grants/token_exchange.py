"""Token exchange (RFC 8693): a service acts for its caller."""

from typing import override

from authlib.oauth2.rfc6749 import TokenEndpointMixin

from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.grants.targets import narrowed, target
from nexus_gateway.oauth.grants.tools import WITH_SECRET, Grant
from nexus_gateway.oauth.issuer import claims_of
from nexus_gateway.oauth.models import GrantType, TokenSet
from nexus_gateway.oauth.schemas import ACCESS_TOKEN_TYPE


class TokenExchangeGrant(Grant, TokenEndpointMixin):
    """A token with which the client acts for the caller whose token it received, and which was meant for the client."""

    TOKEN_ENDPOINT_AUTH_METHODS = WITH_SECRET
    GRANT_TYPE = GrantType.TOKEN_EXCHANGE

    @override
    def validate_token_request(self) -> None:
        client, parameters = self.authenticate_token_endpoint_client(), self.request.form
        if not client.check_grant_type(self.GRANT_TYPE):
            raise OAuthError("unauthorized_client", f"The client may not use the grant {self.GRANT_TYPE}.")
        if parameters.get("subject_token_type") != ACCESS_TOKEN_TYPE:
            raise OAuthError("invalid_request", f"subject_token_type must be {ACCESS_TOKEN_TYPE}.")
        if parameters.get("requested_token_type", ACCESS_TOKEN_TYPE) != ACCESS_TOKEN_TYPE:
            raise OAuthError("invalid_request", f"requested_token_type can be {ACCESS_TOKEN_TYPE} alone.")
        if "actor_token" in parameters:
            raise OAuthError("invalid_request", "The client itself is the actor. Leave actor_token out.")

    @override
    async def issue(self) -> TokenSet:
        client, parameters, issuer = self.request.client, self.request.form, self.tools.issuer
        subject = await self.tools.subjects.subject(parameters.get("subject_token", ""), client.id)
        audience = target(client, parameters, self.tools.resources)
        possible = issuer.possible_scopes(subject.scopes, audience)
        scopes = narrowed(possible, parameters.get("scope"), possible - {ADMIN})
        claims = claims_of(subject, client_id=client.id, actor=client.id)
        return TokenSet(
            access=issuer.issue(claims, audience, scopes, subject.expires_at),
            audience=audience,
            subject=subject.subject,
            client_id=client.id,
            session=subject.session,
            tenant=subject.tenant,
            actors=(client.id, *subject.actor),
            exchanged=True,
        )
