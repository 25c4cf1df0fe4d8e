"""Token exchange (RFC 8693): a service acts for its caller."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from nexus_chassis.tokens import InvalidTokenError, Principal
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.grants.targets import narrowed, require_audience
from nexus_gateway.oauth.issuer import TokenIssuer, claims_of
from nexus_gateway.oauth.models import Client, IssuedToken

type IsActive = Callable[[Principal], Awaitable[bool]]
"""Whether the session of a principal lasts."""


class TokenExchange:
    """Exchanges tokens that were meant for the client `client_id`."""

    def __init__(self, issuer: TokenIssuer, client_id: str, is_active: IsActive, audit: AuditWriter) -> None:
        self._issuer = issuer
        self._verifier = issuer.verifier(client_id)
        self._is_active = is_active
        self._audit = audit

    async def issue(
        self, client: Client, subject_token: str, audience: str, scope: str | None, *, address: str
    ) -> IssuedToken:
        """A token with which the client acts for its caller; raises OAuthError."""
        subject = await self._verified(subject_token)
        require_audience(client, audience)
        scopes = narrowed(self._issuer.possible_scopes(subject.scopes, audience), scope)
        claims = claims_of(subject, client_id=client.id, actor=client.id)
        issued = self._issuer.issue(claims, audience, scopes, subject.expires_at)
        acting = replace(subject, actor=(client.id, *subject.actor), client_id=client.id)
        detail = {"scope": issued.scope}
        event = AuditEvent.by(acting, "token.exchange", target=audience, address=address, detail=detail)
        self._audit.record(event)
        return issued

    async def _verified(self, subject_token: str) -> Principal:
        try:
            subject = await self._verifier.verify(subject_token)
        except InvalidTokenError as error:
            raise OAuthError("invalid_grant", f"The subject_token is refused: {error}.") from None
        if not await self._is_active(subject):
            raise OAuthError("invalid_grant", "The subject_token is refused: its session was ended.")
        return subject
