"""The grant `client_credentials` (RFC 6749 section 4.4)."""

from typing import Any, override

from authlib.oauth2.rfc6749 import grants

from nexus_gateway.auth.scopes import ADMIN
from nexus_gateway.oauth.grants.targets import narrowed, target
from nexus_gateway.oauth.grants.tools import WITH_SECRET, Grant
from nexus_gateway.oauth.models import TokenSet


class ClientCredentialsGrant(grants.ClientCredentialsGrant, Grant):
    """A token for the client itself."""

    TOKEN_ENDPOINT_AUTH_METHODS = WITH_SECRET

    @override
    async def issue(self) -> TokenSet:
        client, parameters = self.request.client, self.request.form
        audience = target(client, parameters, self.tools.resources)
        possible = self.tools.issuer.possible_scopes(client.scopes, audience)
        scopes = narrowed(possible, parameters.get("scope"), possible - {ADMIN})
        claims: dict[str, Any] = {"sub": client.id, "client_id": client.id}
        if client.epoch:
            claims["session_epoch"] = client.epoch
        if client.tenant is not None:
            claims["tenant"] = client.tenant
        access = self.tools.issuer.issue(claims, audience, scopes)
        return TokenSet(access=access, audience=audience, subject=client.id, client_id=client.id, tenant=client.tenant)
