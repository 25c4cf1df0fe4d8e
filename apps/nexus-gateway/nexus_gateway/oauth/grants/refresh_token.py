"""The grant `refresh_token` (RFC 6749 section 6)."""

from typing import override

from authlib.oauth2.rfc6749 import grants

from nexus_gateway.oauth.errors import OAuthError
from nexus_gateway.oauth.grants.targets import narrowed, target
from nexus_gateway.oauth.grants.tools import ANY_METHOD, Grant
from nexus_gateway.oauth.models import GrantType, SessionGrant, TokenSet

_REFUSED = "The refresh token is not valid: it was used, its session has ended, or it belongs to another client."


class RefreshTokenGrant(grants.RefreshTokenGrant, Grant):
    """The next tokens of a session; the refresh token is replaced at each use."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY_METHOD
    granted: SessionGrant

    @override
    async def load(self) -> None:
        refresh_token = self.request.form.get("refresh_token")
        if refresh_token is None or not self.request.client.check_grant_type(GrantType.REFRESH_TOKEN):
            return
        granted = await self.tools.grants.find(refresh_token.partition(".")[0])
        if granted is None or not granted.check_client(self.request.client):
            raise OAuthError("invalid_grant", _REFUSED)
        self.granted = granted

    @override
    def authenticate_refresh_token(self, refresh_token: str) -> SessionGrant:
        return self.granted

    @override
    async def issue(self) -> TokenSet:
        audience, client = self._audience(), self.request.client
        try:
            tokens = await self.tools.sessions.refresh(self.request.form["refresh_token"], client_id=client.id)
        except self.tools.refresh_refused:
            raise OAuthError("invalid_grant", _REFUSED) from None
        granted = frozenset(self.granted.scope.split())
        scopes = narrowed(granted, self.request.form.get("scope"), granted)
        access = await self.tools.issuer.for_audience(tokens.access, audience, scopes)
        return TokenSet(
            access=access,
            audience=audience,
            subject=self.granted.user,
            client_id=client.id,
            refresh_token=tokens.refresh_token,
            session=tokens.session.id,
        )

    def _audience(self) -> str:
        if "resource" not in self.request.form:
            return self.granted.audience
        if (wanted := target(self.request.client, self.request.form, self.tools.resources)) != self.granted.audience:
            raise OAuthError("invalid_target", f"The session is for {self.granted.audience}, not for {wanted}.")
        return wanted
