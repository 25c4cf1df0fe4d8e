"""The grant `authorization_code` (RFC 6749 section 4.1)."""

from typing import override

from authlib.oauth2.rfc6749 import ClientMixin, OAuth2Request, grants

from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.users import AuthenticatedUser
from nexus_gateway.oauth.errors import OAuthError, RefusedAuthorizationError, ReplayedCodeError
from nexus_gateway.oauth.grants.targets import target
from nexus_gateway.oauth.grants.tools import ANY_METHOD, Grant, Tokens
from nexus_gateway.oauth.models import AuthorizationCode, GrantType, SessionGrant, TokenSet

_REFUSED = "The code is not valid: it was used, has expired, or belongs to another client. Begin anew."


class AuthorizationCodeGrant(grants.AuthorizationCodeGrant, Grant):
    """A code for tokens; the session of the user with this client begins here."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY_METHOD
    authorization_code: AuthorizationCode

    @staticmethod
    @override
    def validate_authorization_redirect_uri(request: OAuth2Request, client: ClientMixin) -> str:
        sent = request.payload.redirect_uri if request.payload else None
        if not sent and (only := client.get_default_redirect_uri()):
            return only
        if not sent:
            raise RefusedAuthorizationError("The client registered several redirect URIs, and names none here.")
        if not client.check_redirect_uri(sent):
            raise RefusedAuthorizationError(f"The client did not register the redirect URI {sent!r:.300}.")
        return sent

    @override
    async def load(self) -> None:
        """Claim the code: it counts once, whatever comes of this request."""
        code = self.request.form.get("code")
        if code is None or not self.request.client.check_grant_type(GrantType.AUTHORIZATION_CODE):
            return
        try:
            claimed = await self.tools.codes.claim(code)
        except ReplayedCodeError as replayed:
            raise await self._end_replayed(replayed) from None
        if claimed is None or claimed.client_id != self.request.client.id:
            raise OAuthError("invalid_grant", _REFUSED)
        self.authorization_code = claimed

    @override
    def query_authorization_code(self, code: str, client: ClientMixin) -> AuthorizationCode:
        return self.authorization_code

    @override
    async def issue(self) -> TokenSet:
        code, client = self.authorization_code, self.request.client
        audience = self._audience(code)
        user, tokens = await self._begin(code)
        await self._require_client(code, tokens)
        await self._keep(code, tokens)
        access = await self.tools.issuer.for_audience(tokens.access, audience, frozenset(code.scope.split()))
        may_refresh = client.check_grant_type(GrantType.REFRESH_TOKEN)
        return TokenSet(
            access=access,
            audience=audience,
            subject=code.user,
            client_id=client.id,
            refresh_token=tokens.refresh_token if may_refresh else None,
            session=tokens.session.id,
            tenant=user.tenant,
        )

    async def _begin(self, code: AuthorizationCode) -> tuple[AuthenticatedUser, Tokens]:
        gone = OAuthError("invalid_grant", "The user can no longer sign in.")
        if (user := await self.tools.load_user(code.user)) is None:
            raise gone
        peer, scopes = self.request.peer, frozenset(code.scope.split())
        begin = self.tools.sessions.begin
        try:
            return user, await begin(
                user, client_id=self.request.client.id, scopes=scopes, address=peer.address, agent=peer.agent
            )
        except SessionEndedError:  # disabled at this moment
            raise gone from None

    async def _require_client(self, code: AuthorizationCode, tokens: Tokens) -> None:
        """End the session again if the client was removed meanwhile: those that it had then have ended."""
        if await self.tools.find_client(self.request.client.id) is None:
            await self.tools.sessions.end(code.user, tokens.session.id)
            raise OAuthError("invalid_client", "The client was removed.")

    def _audience(self, code: AuthorizationCode) -> str:
        """The audience that the user granted; a request for another one is refused (RFC 8707 section 2.2)."""
        if "resource" not in self.request.form:
            return code.audience
        if (wanted := target(self.request.client, self.request.form, self.tools.resources)) != code.audience:
            raise OAuthError("invalid_target", f"The code is for {code.audience}, not for {wanted}.")
        return wanted

    async def _keep(self, code: AuthorizationCode, tokens: Tokens) -> None:
        """Keep what was granted; a code that somebody else presented meanwhile ends the session again."""
        session = tokens.session.id
        granted = SessionGrant(self.request.client.id, code.user, code.scope, code.audience)
        await self.tools.grants.save(session, granted)
        try:
            await self.tools.codes.began(self.request.form["code"], code.user, session)
        except ReplayedCodeError as replayed:
            raise await self._end_replayed(replayed) from None

    async def _end_replayed(self, replayed: ReplayedCodeError) -> OAuthError:
        """End what a code began that somebody presents again (RFC 6749 section 4.1.2): it may have been stolen."""
        if replayed.session is not None:
            await self.tools.sessions.end(replayed.user, replayed.session)
        return OAuthError("invalid_grant", _REFUSED)
