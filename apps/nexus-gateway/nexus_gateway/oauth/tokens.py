"""Tokens: issued by grants, revoked (RFC 7009), and looked into (RFC 7662)."""

from typing import Any

from authlib.oauth2 import OAuth2Error

from nexus_chassis.tokens import InvalidTokenError, Principal
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.oauth.authentication import AuthenticatedClient, authenticate_client, read_credentials
from nexus_gateway.oauth.clients import Clients
from nexus_gateway.oauth.errors import InvalidClientDocumentError, OAuthError
from nexus_gateway.oauth.grants.tools import GrantTools
from nexus_gateway.oauth.issuer import GATEWAY, claims_of
from nexus_gateway.oauth.models import Client, SessionGrant, TokenSet
from nexus_gateway.oauth.requests import Peer, token_request
from nexus_gateway.oauth.server import LoadedServer

_JWT_DOTS = 2


class TokenService:
    """What clients do with tokens. Every method raises OAuth2Error."""

    def __init__(self, clients: Clients, tools: GrantTools, audit: AuditWriter) -> None:
        self._clients = clients
        self._tools = tools
        self._audit = audit

    async def authenticate(self, authorization: str | None, parameters: dict[str, str]) -> AuthenticatedClient:
        """The client that sent the request."""
        try:
            return await authenticate_client(read_credentials(authorization, parameters), self._clients.find)
        except InvalidClientDocumentError as error:
            raise OAuthError("invalid_client", str(error)) from None

    async def issue(self, authorization: str | None, parameters: dict[str, str], peer: Peer) -> TokenSet:
        """The tokens of a grant."""
        try:
            authenticated = await self.authenticate(authorization, parameters)
            issued = await self._granted(authenticated, parameters, peer)
        except OAuth2Error as error:
            refused = AuditEvent("token.issue", "refused", address=peer.address, detail={"error": str(error.error)})
            self._audit.record_repeated(refused)
            raise
        self._audit.record(_event(issued, peer))
        return issued

    async def _granted(self, authenticated: AuthenticatedClient, parameters: dict[str, str], peer: Peer) -> TokenSet:
        grant = LoadedServer(self._tools, token_request(parameters, authenticated, peer)).token_grant()
        await grant.load()
        grant.validate_token_request()
        return await grant.issue()

    async def revoke(self, client: Client, token: str) -> None:
        """End the session of a refresh or access token that the client received; other texts are ignored."""
        if token.count(".") == _JWT_DOTS:
            await self._revoke_access_token(client, token)
        elif (granted := await self._tools.grants.find(token.partition(".")[0])) is not None:
            await self._revoke_refresh_token(client, token, granted)

    async def _revoke_access_token(self, client: Client, token: str) -> None:
        principal = await self._principal(token, client.audiences | {GATEWAY})
        if principal is None:
            return
        if principal.client_id != client.id:
            raise _of_another_client()
        if principal.session is None or principal.actor:
            raise OAuthError(
                "unsupported_token_type", "The token belongs to no session of the client. It ends by itself."
            )
        await self._tools.sessions.end(principal.subject, principal.session)

    async def _revoke_refresh_token(self, client: Client, token: str, granted: SessionGrant) -> None:
        """Use the token a last time: that shows that it is genuine."""
        if not granted.check_client(client):
            raise _of_another_client()
        try:
            tokens = await self._tools.sessions.refresh(token, client_id=client.id)
        except self._tools.refresh_refused:
            return
        await self._tools.sessions.end(granted.user, tokens.session.id)

    async def introspect(self, client: Client, token: str) -> dict[str, Any]:
        """What a token says that was meant for the client; nothing but that it is not active for all others."""
        if client.is_public:
            raise OAuthError("invalid_client", "This needs a client with a secret. Send its id and secret.")
        principal = await self._principal(token, frozenset({client.id}))
        if principal is None:
            return {"active": False}
        return {
            "active": True,
            "iss": self._tools.issuer.issuer,
            "aud": client.id,
            "scope": " ".join(sorted(principal.scopes)),
            "exp": principal.expires_at,
            "jti": principal.token_id,
            "token_type": "Bearer",
            **claims_of(principal),
        }

    async def _principal(self, token: str, audiences: frozenset[str]) -> Principal | None:
        for audience in sorted(audiences):
            try:
                return await self._tools.subjects.principal(token, audience)
            except InvalidTokenError:
                continue
        return None


def _event(issued: TokenSet, peer: Peer) -> AuditEvent:
    return AuditEvent(
        "token.exchange" if issued.exchanged else "token.issue",
        subject=issued.subject,
        actors=issued.actors,
        client_id=issued.client_id,
        tenant=issued.tenant,
        session=issued.session,
        target=issued.audience,
        address=peer.address,
        detail={"scope": issued.access.scope},
    )


def _of_another_client() -> OAuthError:
    return OAuthError("invalid_grant", "The token belongs to another client.")
