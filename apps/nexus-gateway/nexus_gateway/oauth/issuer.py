"""Issues access tokens."""

import secrets
import time
from collections.abc import Iterable, Mapping
from typing import Any

from cachetools import LRUCache

from nexus_chassis.challenges import is_scope_token
from nexus_chassis.revocations import Revocations
from nexus_chassis.tokens import Principal, TokenVerifier
from nexus_gateway.auth.errors import InsufficientScopeError
from nexus_gateway.auth.scopes import FIRST_PARTY, reading_scopes
from nexus_gateway.oauth.errors import InvalidScopeError, UnknownAudienceError
from nexus_gateway.oauth.keys.models import MAX_TOKEN_SECONDS
from nexus_gateway.oauth.keys.ring import KeyRing
from nexus_gateway.oauth.models import IssuedToken

GATEWAY = "nexus-gateway"
TOKEN_SECONDS = MAX_TOKEN_SECONDS
_FRESH_SECONDS = 30
_CACHED_TOKENS = 4096


class TokenIssuer:
    """Issues the tokens of one issuer. `scopes`, by audience: those that its tokens can carry.

    What `revocations` has is refused by its verifiers.
    """

    def __init__(
        self, keys: KeyRing, issuer: str, scopes: Mapping[str, frozenset[str]], revocations: Revocations
    ) -> None:
        self._keys = keys
        self.issuer = issuer
        self._scopes = scopes
        self._revocations = revocations
        self._route_tokens: LRUCache[tuple[str, str, str], IssuedToken] = LRUCache(_CACHED_TOKENS)
        self.gateway_verifier = self.verifier(GATEWAY)

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517); raises SigningKeysUnavailableError."""
        return self._keys.jwks

    def verifier(self, audience: str) -> TokenVerifier:
        """A verifier of the issuer's own tokens for one audience."""
        return TokenVerifier(self.issuer, audience, self._keys, revocations=self._revocations)

    def issue_session_token(
        self,
        *,
        subject: str,
        tenant: str,
        session: str,
        epoch: int,
        scopes: frozenset[str],
        client_id: str = FIRST_PARTY,
        not_after: int | None = None,
    ) -> IssuedToken:
        """The token of a user who has signed in."""
        claims = {"sub": subject, "tenant": tenant, "client_id": client_id, "sid": session, "session_epoch": epoch}
        return self.issue(claims, GATEWAY, scopes, not_after)

    def issue_audience_token(self, principal: Principal, audience: str, scopes: Iterable[str] | None) -> IssuedToken:
        """The principal's token for another service, with what is needed for reading unless `scopes` are named.

        Raises UnknownAudienceError, InvalidScopeError or InsufficientScopeError.
        """
        if audience not in self._scopes:
            raise UnknownAudienceError(audience, self._scopes)
        possible = self.possible_scopes(principal.scopes, audience)
        wanted = possible & reading_scopes(audience) if scopes is None else _valid(scopes)
        if missing := wanted - possible:
            raise InsufficientScopeError(missing)
        return self.issue(claims_of(principal), audience, wanted, principal.expires_at)

    async def for_audience(self, access: IssuedToken, audience: str, scopes: frozenset[str]) -> IssuedToken:
        """The token of the same session for `audience`, with those of its scopes that are in `scopes`."""
        principal = await self.gateway_verifier.verify(access.token)
        possible = self.possible_scopes(principal.scopes & scopes, audience)
        return self.issue(claims_of(principal), audience, possible, principal.expires_at)

    def issue_route_token(self, principal: Principal, audience: str) -> str:
        """The token that goes with the principal's requests to a service; it is reused until it is about to expire."""
        key = (principal.token, audience, self._keys.signing_kid)  # tokens of a withdrawn key would be refused
        kept = self._route_tokens.get(key)
        if kept is None or self._ends_early(kept, principal):
            scopes = self.possible_scopes(principal.scopes, audience)
            claims = claims_of(principal, actor=GATEWAY)
            kept = self._route_tokens[key] = self.issue(claims, audience, scopes, principal.expires_at)
        return kept.token

    @staticmethod
    def _ends_early(kept: IssuedToken, principal: Principal) -> bool:
        return kept.expires_at < principal.expires_at and kept.expires_in < _FRESH_SECONDS

    def possible_scopes(self, scopes: frozenset[str], audience: str) -> frozenset[str]:
        """Those of `scopes` that tokens for `audience` can carry."""
        return scopes if audience == GATEWAY else scopes & self._scopes[audience]

    def issue(
        self, claims: dict[str, Any], audience: str, scopes: Iterable[str], not_after: int | None = None
    ) -> IssuedToken:
        """A token (RFC 9068) with these claims, valid for TOKEN_SECONDS or until `not_after`.

        Raises SigningKeysUnavailableError.
        """
        now = int(time.time())
        expires = now + TOKEN_SECONDS if not_after is None else min(now + TOKEN_SECONDS, not_after)
        scope = " ".join(sorted(scopes))
        times = {"iat": now, "exp": expires, "jti": secrets.token_urlsafe(12)}
        token = self._keys.sign({"iss": self.issuer, "aud": audience, "scope": scope} | times | claims)
        return IssuedToken(token, scope, expires)


def _valid(scopes: Iterable[str]) -> frozenset[str]:
    found = frozenset(scopes)
    for scope in found:
        if not is_scope_token(scope):
            raise InvalidScopeError(scope)
    return found


def claims_of(principal: Principal, *, client_id: str | None = None, actor: str | None = None) -> dict[str, Any]:
    """The claims that a token for another audience takes over.

    `actor` acts for the principal from now on, on top of those who do so already (RFC 8693 section 4.1).
    """
    claims: dict[str, Any] = {"sub": principal.subject, "client_id": client_id or principal.client_id}
    if principal.session:
        claims["sid"] = principal.session
    if principal.session or principal.session_epoch:
        claims["session_epoch"] = principal.session_epoch
    if principal.tenant:
        claims["tenant"] = principal.tenant
    actors = (actor, *principal.actor) if actor else principal.actor
    act: dict[str, Any] | None = None
    for subject in reversed(actors):
        act = {"sub": subject} if act is None else {"sub": subject, "act": act}
    return claims if act is None else claims | {"act": act}
