"""Tokens of this issuer that clients send: whom they speak for."""

from collections.abc import Awaitable, Callable

from cachetools import LRUCache

from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.issuer import TokenIssuer

MAX_ACTORS = 8
"""Services that a token can name one after the other as acting for its subject; no service accepts a longer chain."""

_MAX_VERIFIERS = 64
type IsActive = Callable[[Principal], Awaitable[bool]]
"""Whether the session of a principal lasts."""


class SubjectTokens:
    """Verifies tokens that were meant for a certain audience, while their sessions last."""

    def __init__(self, issuer: TokenIssuer, is_active: IsActive) -> None:
        self._issuer = issuer
        self._is_active = is_active
        self._verifiers: LRUCache[str, TokenVerifier] = LRUCache(_MAX_VERIFIERS)

    async def principal(self, token: str, audience: str) -> Principal:
        """Whom the token speaks for at that audience; raises InvalidTokenError."""
        if (verifier := self._verifiers.get(audience)) is None:
            verifier = self._verifiers[audience] = self._issuer.verifier(audience)
        principal = await verifier.verify(token)
        if not await self._is_active(principal):
            raise InvalidTokenError("its session was ended")
        return principal

    async def subject(self, token: str, audience: str) -> Principal:
        """The subject of a token exchange; raises OAuthError `invalid_grant`."""
        try:
            subject = await self.principal(token, audience)
        except InvalidTokenError as error:
            raise OAuthError("invalid_grant", f"The subject_token is refused: {error}.") from None
        if len(subject.actor) >= MAX_ACTORS:
            raise OAuthError("invalid_grant", f"The subject_token names {MAX_ACTORS} services that act already.")
        return subject
