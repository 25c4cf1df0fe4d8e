"""Who gets which access token."""

import hmac
import secrets
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier, forbidden
from nexus_gateway.identity.repository import User
from nexus_gateway.sessions.repository import Session
from nexus_gateway.tokens.errors import OAuthError
from nexus_gateway.tokens.keys import SigningKey

GATEWAY = "nexus-gateway"
TOKEN_SECONDS = 600
_FIRST_PARTY = "nexus"  # client_id of tokens that the gateway gives to users who signed in with it directly
_FRESH_SECONDS = 30
_CACHED_TOKENS = 4096


@dataclass(frozen=True)
class Client:
    """A service that may ask for tokens by its own secret."""

    id: str
    secret: str
    audiences: frozenset[str]
    scopes: frozenset[str]


@dataclass(frozen=True)
class Grant:
    """A token that was given. `expires_at` is in seconds since 1970."""

    token: str
    scope: str
    expires_at: int

    @property
    def expires_in(self) -> int:
        """Seconds that the token still counts."""
        return max(0, self.expires_at - int(time.time()))


class TokenService:
    """The gateway as authorization server. `scopes`, by audience: those that its tokens can carry."""

    def __init__(self, key: SigningKey, issuer: str, client: Client, scopes: Mapping[str, frozenset[str]]) -> None:
        self._key = key
        self._issuer = issuer
        self._client = client
        self._scopes = scopes
        self._routed: dict[tuple[str, str], Grant] = {}
        self.own_verifier = self._verifier(GATEWAY)
        self._client_verifier = self._verifier(client.id)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return self._key.jwks

    def _verifier(self, audience: str) -> TokenVerifier:
        async def own_keys(_: str) -> dict[str, Any]:
            return self.jwks

        return TokenVerifier(self._issuer, audience, "", fetch=own_keys)

    def for_session(self, user: User, session: Session) -> Grant:
        """The token of a user who just signed in."""
        claims = {"sub": str(user.id), "client_id": _FIRST_PARTY, "sid": session.id}
        return self._grant(claims, GATEWAY, user.scopes)

    def for_audience(self, caller: Principal, audience: str, scopes: Iterable[str] | None) -> Grant:
        """The caller's token for another service; raises Problem 400 or 403 when it cannot be had."""
        if audience not in self._scopes:
            names = ", ".join(sorted(self._scopes))
            raise Problem(
                400, "unknown-audience", "There is no such service", f"Found {audience!r}. Use one of {names}."
            )
        possible = caller.scopes & self._scopes[audience]
        if missing := frozenset(scopes or ()) - possible:
            raise forbidden(missing)
        claims = _claims_of(caller, caller.client_id)
        return self._grant(claims, audience, possible if scopes is None else scopes, caller.expires_at)

    def for_route(self, caller: Principal, audience: str) -> str:
        """The token that goes with the caller's request to the service `audience`; kept until it is about to expire."""
        key = (caller.token, audience)
        kept = self._routed.get(key)
        if kept is None or (kept.expires_in < _FRESH_SECONDS and kept.expires_at < caller.expires_at):
            if len(self._routed) >= _CACHED_TOKENS:
                self._routed.clear()
            claims = _claims_of(caller, caller.client_id) | {"act": {"sub": GATEWAY}}
            scopes = caller.scopes & self._scopes[audience]
            kept = self._routed[key] = self._grant(claims, audience, scopes, caller.expires_at)
        return kept.token

    def authenticate_client(self, client_id: str, secret: str) -> Client:
        """The client with this id and secret; raises OAuthError `invalid_client`."""
        expected = f"{self._client.id}:{self._client.secret}".encode()
        if not hmac.compare_digest(f"{client_id}:{secret}".encode(), expected):
            raise OAuthError("invalid_client", "No client has this id and secret. See the client's secret file.")
        return self._client

    def client_credentials(self, client: Client, audience: str, scope: str | None) -> Grant:
        """A token for the client itself (RFC 6749 section 4.4); raises OAuthError."""
        _require_audience(client, audience)
        scopes = _narrowed(client.scopes & self._scopes[audience], scope)
        return self._grant({"sub": client.id, "client_id": client.id}, audience, scopes)

    async def verify_subject(self, subject_token: str) -> Principal:
        """Who a client's caller is; raises OAuthError `invalid_grant` unless the token was meant for that client."""
        try:
            return await self._client_verifier.verify(subject_token)
        except InvalidTokenError as error:
            raise OAuthError("invalid_grant", f"The subject_token is refused: {error}.") from None

    def exchange(self, client: Client, subject: Principal, audience: str, scope: str | None) -> Grant:
        """A token with which the client acts for its caller (RFC 8693); raises OAuthError."""
        _require_audience(client, audience)
        scopes = _narrowed(subject.scopes & self._scopes[audience], scope)
        claims = _claims_of(subject, client.id) | {"act": {"sub": client.id}}
        return self._grant(claims, audience, scopes, subject.expires_at)

    def _grant(
        self, claims: dict[str, Any], audience: str, scopes: Iterable[str], not_after: int | None = None
    ) -> Grant:
        now = int(time.time())
        expires = now + TOKEN_SECONDS if not_after is None else min(now + TOKEN_SECONDS, not_after)
        scope = " ".join(sorted(scopes))
        times = {"iat": now, "exp": expires, "jti": secrets.token_urlsafe(12)}
        token = self._key.sign({"iss": self._issuer, "aud": audience, "scope": scope} | times | claims)
        return Grant(token, scope, expires)


def _claims_of(principal: Principal, client_id: str) -> dict[str, Any]:
    session = {"sid": principal.session} if principal.session else {}
    return {"sub": principal.subject, "client_id": client_id} | session


def _require_audience(client: Client, audience: str) -> None:
    if audience not in client.audiences:
        names = ", ".join(sorted(client.audiences))
        raise OAuthError("invalid_target", f"{client.id} gets no token for {audience!r}. Use one of {names}.")


def _narrowed(possible: frozenset[str], wanted: str | None) -> frozenset[str]:
    if wanted is None:
        return possible
    scopes = frozenset(wanted.split())
    if missing := scopes - possible:
        raise OAuthError("invalid_scope", f"These scopes cannot be had: {' '.join(sorted(missing))}.")
    return scopes
