"""Authorization server metadata (RFC 8414)."""

from typing import Any

from nexus_gateway.oauth.schemas import GrantType


def authorization_server_metadata(issuer: str) -> dict[str, Any]:
    """The metadata document of this server. No grant of it needs an authorization endpoint, so it names none."""
    return {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "response_types_supported": [],
        "grant_types_supported": [str(grant) for grant in GrantType],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }
