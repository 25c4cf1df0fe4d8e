"""A provider as it is reached: what it publishes (OpenID Connect Discovery 1.0), and the tokens it issues."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import aiohttp

from nexus_gateway.oidc.client import OidcClient
from nexus_gateway.oidc.errors import ExternalLoginError, InvalidIdTokenError
from nexus_gateway.oidc.http import ProviderHttp
from nexus_gateway.oidc.id_token import Expected, check_claims
from nexus_gateway.oidc.keys import VerificationKey, read_keys, secret_key
from nexus_gateway.oidc.models import PendingLogin
from nexus_gateway.oidc.providers import Provider, is_acceptable_address, is_loopback_issuer
from nexus_gateway.oidc.refreshed import Refreshed
from nexus_gateway.oidc.signatures import read_token

_OK = 200
_BASIC, _POST = "client_secret_basic", "client_secret_post"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of a provider's metadata is used. `names_itself` is whether it sends `iss` with each answer (RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    names_itself: bool
    client_authentication: str


class SignedIn(NamedTuple):
    """The claims of an ID token, and the access token that more can be asked for with."""

    claims: dict[str, Any]
    access_token: str | None


class RemoteProvider:
    """Talks to one provider. Raises ProviderUnavailableError where that is away or talks nonsense."""

    def __init__(self, provider: Provider, session: aiohttp.ClientSession, redirect_uri: str) -> None:
        self.provider = provider
        self._http = ProviderHttp(provider.label, session)
        self._redirect_uri = redirect_uri
        self._secret = provider.client_secret()
        self._metadata = Refreshed(self._fetch_metadata)
        self._keys = Refreshed(self._fetch_keys)

    async def authorization_url(self, state: str, login: PendingLogin) -> str:
        """Where the browser goes to sign in."""
        metadata = await self._metadata.get()
        client = self._client(metadata)
        return client.authorization_url(metadata.authorization_endpoint, state, login.nonce, login.code_verifier)

    async def names_itself(self) -> bool:
        """Whether each answer of the provider says who it is from."""
        return (await self._metadata.get()).names_itself

    async def sign_in(self, code: str, login: PendingLogin) -> SignedIn:
        """Whom the code stands for; raises ExternalLoginError for a code or an ID token that is not accepted."""
        metadata = await self._metadata.get()
        answer = await self._client(metadata).exchange(metadata.token_endpoint, code, login.code_verifier)
        token, access_token = answer.content.get("id_token"), _text(answer.content.get("access_token"))
        if answer.status != _OK or not isinstance(token, str):
            raise self._exchange_failed(answer.status, answer.content.get("error"))
        expected = Expected(self.provider.issuer, self.provider.client_id, login.nonce, access_token)
        try:
            return SignedIn(await self._verify(token, expected), access_token)
        except InvalidIdTokenError as error:
            text = f"{self.provider.label} sent an ID token that is not accepted: {error}."
            raise ExternalLoginError("invalid-id-token", text) from None

    async def _verify(self, token: str, expected: Expected) -> dict[str, Any]:
        unverified = read_token(token)
        keys = await self._keys.get(lambda keys: bool(unverified.candidates(keys)))
        return check_claims(unverified, unverified.verify(keys), expected, time.time())

    def _exchange_failed(self, status: int, error: object) -> Exception:
        if error == "invalid_grant":
            text = f"{self.provider.label} no longer accepts this sign-in. Start it again."
            return ExternalLoginError("invalid-grant", text)
        return self._http.unavailable(f"the token endpoint answered {status}, {error!r:.100}, without an ID token")

    async def more_claims(self, signed_in: SignedIn) -> dict[str, Any]:
        """The claims of the ID token, and those that the provider has for its user besides (section 5.3)."""
        endpoint = (await self._metadata.get()).userinfo_endpoint
        if endpoint is None or signed_in.access_token is None:
            return signed_in.claims
        found = await self._http.get(endpoint, headers={"Authorization": f"Bearer {signed_in.access_token}"})
        if found.get("sub") != signed_in.claims["sub"]:
            raise self._http.unavailable("the UserInfo answer is about somebody else")
        return found | signed_in.claims

    def _client(self, metadata: Metadata) -> OidcClient:
        return OidcClient(
            self._http,
            client_id=self.provider.client_id,
            client_secret=self._secret,
            method=metadata.client_authentication,
            redirect_uri=self._redirect_uri,
            scope=" ".join(self.provider.scopes),
        )

    async def _fetch_metadata(self) -> Metadata:
        issuer = self.provider.issuer
        found = await self._http.get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise self._http.unavailable(f"its metadata is of the issuer {found.get('issuer')!r:.100}, not {issuer!r}")
        methods = found.get("token_endpoint_auth_methods_supported", [_BASIC])
        return Metadata(
            self._endpoint(found, "authorization_endpoint"),
            self._endpoint(found, "token_endpoint"),
            self._endpoint(found, "jwks_uri"),
            self._endpoint(found, "userinfo_endpoint") if "userinfo_endpoint" in found else None,
            found.get("authorization_response_iss_parameter_supported") is True,
            _POST if isinstance(methods, list) and _BASIC not in methods else _BASIC,
        )

    def _endpoint(self, metadata: dict[str, Any], name: str) -> str:
        url = _text(metadata.get(name)) or ""
        if not is_acceptable_address(url, allow_loopback=is_loopback_issuer(self.provider.issuer)):
            raise self._http.unavailable(f"its {name} is {url!r:.100}, which is no https:// address")
        return url

    async def _fetch_keys(self) -> list[VerificationKey]:
        algorithms = self.provider.algorithms
        if self.provider.has_secret_key:
            return secret_key(self._secret or "", algorithms)
        found = await self._http.get((await self._metadata.get()).jwks_uri)
        try:
            return read_keys(found, algorithms)
        except ValueError as error:
            raise self._http.unavailable(f"its key set is not accepted: {error}") from None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
