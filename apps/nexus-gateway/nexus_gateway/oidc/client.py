"""authlib's OAuth 2.0 client, sending by aiohttp: its own asynchronous client would bring httpx, and a second pool."""

import base64
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol
from urllib.parse import quote_plus

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client

from nexus_gateway.oidc.http import JsonAnswer, ProviderHttp

_BASIC = "client_secret_basic"


class _Credentials(Protocol):
    client_id: str
    client_secret: str


class OidcClient(OAuth2Client):
    """The gateway as a client of a provider: code flow with PKCE (RFC 6749, RFC 7636)."""

    def __init__(
        self,
        http: ProviderHttp,
        *,
        client_id: str,
        client_secret: str | None,
        method: str,
        redirect_uri: str,
        scope: str,
    ) -> None:
        super().__init__(
            http,
            client_id=client_id,
            client_secret=client_secret,
            token_endpoint_auth_method=method if client_secret else "none",
            redirect_uri=redirect_uri,
            scope=scope,
            code_challenge_method="S256",
        )
        self.register_client_auth_method((_BASIC, _encode_basic))

    def authorization_url(self, endpoint: str, state: str, nonce: str, code_verifier: str) -> str:
        """Where the browser goes to sign in."""
        url, _ = self.create_authorization_url(endpoint, state=state, code_verifier=code_verifier, nonce=nonce)
        return str(url)

    async def exchange(self, endpoint: str, code: str, code_verifier: str) -> JsonAnswer:
        """The tokens for a code, or the error object; raises ProviderUnavailableError."""
        sent: Coroutine[Any, Any, JsonAnswer] = self.fetch_token(
            endpoint,
            grant_type="authorization_code",
            code=code,
            code_verifier=code_verifier,
            redirect_uri=self.redirect_uri,
        )
        return await sent

    async def _fetch_token(
        self, url: str, body: str, auth: ClientAuth, method: str, headers: Mapping[str, str]
    ) -> JsonAnswer:
        http: ProviderHttp = self.session
        url, sent, body = auth.prepare(method, url, dict(headers), body)  # type: ignore[no-untyped-call]
        return await http.request(method, url, headers=sent, body=body)


def _encode_basic(
    client: _Credentials, _method: str, uri: str, headers: dict[str, str], body: str
) -> tuple[str, dict[str, str], str]:
    """Both parts are encoded as form values first (RFC 6749 section 2.3.1); authlib leaves that out."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return uri, headers, body
