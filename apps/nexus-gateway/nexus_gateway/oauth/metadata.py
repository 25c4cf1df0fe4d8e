"""Authorization server metadata (RFC 8414)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nexus_gateway.oauth.grants.pkce import METHOD
from nexus_gateway.oauth.models import AuthMethod, GrantType


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerMetadata:
    """What clients learn of this server: its `scopes` by audience; `registration` and `documents` tell how strangers become clients."""

    issuer: str
    scopes: Mapping[str, frozenset[str]]
    registration: bool
    documents: bool

    def document(self) -> dict[str, Any]:
        """The metadata document (RFC 8414 section 2, RFC 9207 section 3)."""
        with_secret = [AuthMethod.BASIC, AuthMethod.POST]
        registration = {"registration_endpoint": f"{self.issuer}/oauth/register"} if self.registration else {}
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/oauth/authorize",
            "token_endpoint": f"{self.issuer}/oauth/token",
            "revocation_endpoint": f"{self.issuer}/oauth/revoke",
            "introspection_endpoint": f"{self.issuer}/oauth/introspect",
            **registration,
            "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
            "scopes_supported": sorted(frozenset[str]().union(*self.scopes.values())),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [str(grant) for grant in GrantType],
            "token_endpoint_auth_methods_supported": [*with_secret, AuthMethod.NONE],
            "revocation_endpoint_auth_methods_supported": [*with_secret, AuthMethod.NONE],
            "introspection_endpoint_auth_methods_supported": with_secret,
            "code_challenge_methods_supported": [METHOD],
            "authorization_response_iss_parameter_supported": True,
            "client_id_metadata_document_supported": self.documents,
        }
