"""Signing in and out."""

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from nexus_chassis.revocations import RevocationPage
from nexus_chassis.tokens import Principal
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.sessions.errors import NoSessionError, TooManyAttemptsError, WrongCredentialsError
from nexus_gateway.sessions.login_limiter import Attempt, LoginLimiter
from nexus_gateway.sessions.models import Session
from nexus_gateway.sessions.repository import SessionRepository


class AuthenticatedUser(Protocol):
    """A user whose password was right."""

    @property
    def id(self) -> UUID:
        """The subject of the user's tokens."""

    @property
    def username(self) -> str:
        """The name that the user signed in with."""

    @property
    def tenant(self) -> str:
        """The tenant that the user belongs to."""

    @property
    def scopes(self) -> frozenset[str]:
        """What the user may do."""


class AccessToken(Protocol):
    """A token for a session."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def scope(self) -> str:
        """Its scopes, separated by spaces."""

    @property
    def expires_in(self) -> int:
        """Seconds that it is valid."""


type Authenticate = Callable[[str, str], Awaitable[AuthenticatedUser | None]]


class IssueToken(Protocol):
    """Issues the token of a session."""

    def __call__(self, *, subject: str, tenant: str, session: str, epoch: int, scopes: frozenset[str]) -> AccessToken:
        """A token of the user `subject`, whose tokens of a lower epoch have ended."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A session that has begun, and its token."""

    session: Session
    token: AccessToken


class SessionService:
    """Sessions of users: a token that belongs to a session is valid only as long as the session lasts.

    `authenticate` finds the user of a name and password. `seconds` is how long a session lasts.
    """

    def __init__(
        self,
        sessions: SessionRepository,
        limiter: LoginLimiter,
        audit: AuditWriter,
        *,
        authenticate: Authenticate,
        issue_token: IssueToken,
        seconds: int,
    ) -> None:
        self._sessions = sessions
        self._limiter = limiter
        self._audit = audit
        self._authenticate = authenticate
        self._issue_token = issue_token
        self._seconds = seconds

    async def sign_in(self, username: str, password: str, address: str) -> SignIn:
        """A new session; raises WrongCredentialsError, TooManyAttemptsError, and whatever `authenticate` raises."""
        try:
            attempt = await self._limiter.begin(username, address)
            user = await self._authenticated(attempt, username, password)
        except (WrongCredentialsError, TooManyAttemptsError) as error:
            self._audit.record_repeated(_refused(username, address, error))
            raise
        session = Session(secrets.token_urlsafe(18), str(user.id), user.username, int(time.time()))
        epoch = await self._sessions.create(session, self._seconds)
        await self._limiter.succeed(attempt)
        token = self._issue_token(
            subject=session.user, tenant=user.tenant, session=session.id, epoch=epoch, scopes=user.scopes
        )
        self._audit.record(_begun(session, user.tenant, address))
        return SignIn(session, token)

    async def _authenticated(self, attempt: Attempt, username: str, password: str) -> AuthenticatedUser:
        try:
            user = await self._authenticate(username, password)
        except Exception:
            await self._limiter.withdraw(attempt)
            raise
        if user is None:
            raise WrongCredentialsError
        return user

    async def end(self, principal: Principal) -> None:
        """End the principal's session, at every service; raises NoSessionError when the token belongs to none."""
        if principal.session is None:
            raise NoSessionError
        await self._sessions.end(principal.session)

    async def ended(self, after: str) -> RevocationPage:
        """The sessions that ended after a cursor."""
        return await self._sessions.ended(after)


def _begun(session: Session, tenant: str, address: str) -> AuditEvent:
    return AuditEvent(
        "session.begin", subject=session.user, client_id="nexus", tenant=tenant, session=session.id, address=address
    )


def _refused(username: str, address: str, error: Exception) -> AuditEvent:
    """The name is hashed: a password typed into the wrong field must not be stored."""
    name = hashlib.sha256(username.encode()).hexdigest()[:32]
    reason = "wrong-credentials" if isinstance(error, WrongCredentialsError) else "too-many-attempts"
    detail = {"reason": reason}
    return AuditEvent("session.refused", "refused", target=f"name:{name}", address=address, detail=detail)
