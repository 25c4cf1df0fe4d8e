"""What the grants work with, and the steps of each."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from authlib.oauth2.rfc6749 import BaseGrant

from nexus_gateway.auth.users import AuthenticatedUser, LoadUser
from nexus_gateway.oauth.codes import CodeStore, SessionGrants
from nexus_gateway.oauth.grants.subjects import SubjectTokens
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.models import AuthMethod, Client, IssuedToken, TokenSet
from nexus_gateway.oauth.requests import LoadedRequest
from nexus_gateway.oauth.resources import Resources

ANY_METHOD = tuple(AuthMethod)
WITH_SECRET = (AuthMethod.BASIC, AuthMethod.POST)


class Session(Protocol):
    """A session."""

    @property
    def id(self) -> str:
        """Its id."""


class Tokens(Protocol):
    """What a session is used with. `access` is for the gateway."""

    @property
    def session(self) -> Session:
        """The session."""

    @property
    def access(self) -> IssuedToken:
        """An access token."""

    @property
    def refresh_token(self) -> str:
        """The token that the next ones are fetched with."""


class Sessions(Protocol):
    """The sessions of users."""

    async def begin(
        self, user: AuthenticatedUser, *, client_id: str, scopes: frozenset[str] | None, address: str, agent: str
    ) -> Tokens:
        """A new session, whose tokens have at most `scopes`."""

    async def refresh(self, refresh_token: str, *, client_id: str) -> Tokens:
        """The next tokens; raises RefreshRefused."""

    async def end(self, user: str, session: str) -> None:
        """End the session, if it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTools:
    """What the grants work with. `refresh_refused` is the error by which sessions refuse a refresh token."""

    issuer: TokenIssuer
    find_client: Callable[[str], Awaitable[Client | None]]
    codes: CodeStore
    grants: SessionGrants
    sessions: Sessions
    load_user: LoadUser
    subjects: SubjectTokens
    resources: Resources
    refresh_refused: type[Exception]


class Grant(BaseGrant):
    """A grant in three steps: `load` what authlib asks for, let authlib validate the request, `issue`."""

    request: LoadedRequest

    @property
    def tools(self) -> GrantTools:
        """What the grant works with."""
        tools: GrantTools = self.server.tools
        return tools

    async def load(self) -> None:
        """Look up what the request refers to; raises OAuthError."""

    def validate_token_request(self) -> None:
        """Raise OAuth2Error unless the request may be granted."""
        raise NotImplementedError

    async def issue(self) -> TokenSet:
        """The tokens; raises OAuthError."""
        raise NotImplementedError
