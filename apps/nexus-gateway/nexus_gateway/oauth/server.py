"""authlib's authorization server, for one request."""

from collections.abc import Collection
from typing import override

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request

from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.grants.authorization_code import AuthorizationCodeGrant
from nexus_gateway.oauth.grants.client_credentials import ClientCredentialsGrant
from nexus_gateway.oauth.grants.pkce import S256Challenge
from nexus_gateway.oauth.grants.refresh_token import RefreshTokenGrant
from nexus_gateway.oauth.grants.token_exchange import TokenExchangeGrant
from nexus_gateway.oauth.grants.tools import Grant, GrantTools
from nexus_gateway.oauth.models import Client, GrantType
from nexus_gateway.oauth.requests import LoadedRequest


class LoadedServer(AuthorizationServer):
    """Knows the client of one request, which was looked up and authenticated before."""

    def __init__(self, tools: GrantTools, request: LoadedRequest) -> None:
        super().__init__()
        self.tools = tools
        self._request = request
        self.register_grant(AuthorizationCodeGrant, [S256Challenge()])
        self.register_grant(RefreshTokenGrant)
        self.register_grant(ClientCredentialsGrant)
        self.register_grant(TokenExchangeGrant)

    @override
    def query_client(self, client_id: str) -> Client:
        return self._request.client

    @override
    def authenticate_client(self, request: OAuth2Request, methods: Collection[str], endpoint: str = "token") -> Client:
        if request.auth_method not in methods:
            raise OAuthError("invalid_client", "This needs a client with a secret. Send its id and secret.")
        return self._request.client

    @override
    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def token_grant(self) -> Grant:
        """The grant of a token request; raises OAuthError `unsupported_grant_type`."""
        grant_type = self._request.form.get("grant_type", "")
        if grant_type not in frozenset(GrantType):
            raise OAuthError("unsupported_grant_type", f"Found {grant_type!r:.100}. Use one of {', '.join(GrantType)}.")
        grant = self.get_token_grant(self._request)
        if not isinstance(grant, Grant):
            raise TypeError(grant)
        return grant
