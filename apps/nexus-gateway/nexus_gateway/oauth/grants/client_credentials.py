"""The grant `client_credentials` (RFC 6749 section 4.4)."""

from nexus_gateway.oauth.grants.targets import narrowed, require_audience
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.models import Client, IssuedToken


def issue_client_token(issuer: TokenIssuer, client: Client, audience: str, scope: str | None) -> IssuedToken:
    """A token for the client itself; raises OAuthError."""
    require_audience(client, audience)
    scopes = narrowed(issuer.possible_scopes(client.scopes, audience), scope)
    return issuer.issue({"sub": client.id, "client_id": client.id}, audience, scopes)
