"""Signing in and out, and going on without signing in again."""

import hashlib
import secrets
import time
from dataclasses import replace
from typing import Protocol

from nexus_chassis.tokens import Principal
from nexus_gateway.audit.models import AuditEvent, Outcome
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.scopes import FIRST_PARTY
from nexus_gateway.auth.users import AuthenticatedUser, LoadUser
from nexus_gateway.sessions import refresh_tokens
from nexus_gateway.sessions.errors import (
    InvalidRefreshTokenError,
    NoSessionError,
    TooManyAttemptsError,
    WrongCredentialsError,
)
from nexus_gateway.sessions.login_limiter import Attempt, LoginLimiter
from nexus_gateway.sessions.models import Session, Tokens
from nexus_gateway.sessions.repository import Rotation, SessionRepository

_MAX_AGENT = 200  # characters
_MAX_TOKEN = 256


class AccessToken(Protocol):
    """A token for the gateway."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def scope(self) -> str:
        """Its scopes, separated by spaces."""

    @property
    def expires_in(self) -> int:
        """Seconds that it is valid."""


class Authenticate(Protocol):
    """Finds the user of a name and password."""

    async def __call__(self, username: str, password: str, *, is_known: bool) -> AuthenticatedUser | None:
        """None where there is none; `is_known`: the user has signed in from the same address before."""


class IssueToken[Access: AccessToken](Protocol):
    """Issues the access tokens of sessions."""

    def __call__(
        self,
        *,
        subject: str,
        tenant: str,
        session: str,
        epoch: int,
        scopes: frozenset[str],
        client_id: str,
        not_after: int,
    ) -> Access:
        """A token of the user `subject`, whose tokens of a lower epoch have ended."""


class SessionService[Access: AccessToken]:
    """Sessions of users: a token that belongs to a session is valid only as long as the session lasts.

    `seconds` is how long a session lasts at most. Its methods raise RedisUnavailableError, and those that load the user
    DatabaseUnavailableError.
    """

    def __init__(
        self,
        sessions: SessionRepository,
        limiter: LoginLimiter,
        audit: AuditWriter,
        *,
        authenticate: Authenticate,
        load_user: LoadUser,
        issue_token: IssueToken[Access],
        seconds: int,
    ) -> None:
        self._sessions = sessions
        self._limiter = limiter
        self._audit = audit
        self._authenticate = authenticate
        self._load_user = load_user
        self._issue_token = issue_token
        self._seconds = seconds

    async def sign_in(self, username: str, password: str, address: str, agent: str) -> Tokens[Access]:
        """A new session; raises WrongCredentialsError, TooManyAttemptsError, and whatever `authenticate` raises."""
        try:
            attempt = await self._limiter.begin(username, address)
            user = await self._authenticated(attempt, username, password)
        except (WrongCredentialsError, TooManyAttemptsError) as error:
            self._audit.record_repeated(_refused(username, address, error))
            raise
        tokens = await self.begin(user, client_id=FIRST_PARTY, scopes=None, address=address, agent=agent)
        await self._limiter.succeed(attempt)
        return tokens

    async def _authenticated(self, attempt: Attempt, username: str, password: str) -> AuthenticatedUser:
        try:
            user = await self._authenticate(username, password, is_known=attempt.is_known)
        except Exception:
            await self._limiter.withdraw(attempt)
            raise
        if user is None:
            raise WrongCredentialsError
        return user

    async def begin(
        self, user: AuthenticatedUser, *, client_id: str, scopes: frozenset[str] | None, address: str, agent: str
    ) -> Tokens[Access]:
        """A new session of a user who was authenticated, whose tokens have at most `scopes`, all without.

        Raises SessionEndedError when the user has been disabled or changed meanwhile: all that they had then has ended,
        and a password that was checked before may no longer be theirs.
        """
        session = self._new(user, client_id, scopes, address, agent)
        key = refresh_tokens.new_key()
        refresh_token = refresh_tokens.first_token(session.id, key)
        epoch = await self._sessions.create(session, key, refresh_token)
        current = await self._user_of(session)  # read after the epoch
        if current.version != user.version:
            await self._sessions.end(session.user, session.id)
            raise SessionEndedError
        access = self._issue(session, current, epoch)
        self._audit.record(_event("session.begin", session, address=address))
        return Tokens(session, access, refresh_token)

    def _new(
        self, user: AuthenticatedUser, client_id: str, scopes: frozenset[str] | None, address: str, agent: str
    ) -> Session:
        now = int(time.time())
        return Session(
            id=secrets.token_urlsafe(18),
            user=str(user.id),
            username=user.username,
            tenant=user.tenant,
            client_id=client_id,
            scopes=scopes,
            created=now,
            seen=now,
            expires=now + self._seconds,
            address=address,
            agent=agent[:_MAX_AGENT],
        )

    async def refresh(
        self, refresh_token: str, *, client_id: str = FIRST_PARTY, address: str | None = None
    ) -> Tokens[Access]:
        """The next tokens of a session, with the rights that its user has now.

        A token that is used again shortly after returns the same refresh token; later it ends the session, because two
        hold it. Raises InvalidRefreshTokenError.
        """
        session, key = await self._session_of(refresh_token)
        epoch = await self._sessions.epoch(session.user)
        try:
            user = await self._user_of(session)  # before the token is used up, and after the epoch was read
        except SessionEndedError:
            raise InvalidRefreshTokenError from None
        next_token = await self._rotate(session, key, client_id, refresh_token, address)
        return Tokens(replace(session, seen=int(time.time())), self._issue(session, user, epoch), next_token)

    async def _session_of(self, refresh_token: str) -> tuple[Session, str]:
        """The session that a refresh token was issued for, now or before, and the key of its tokens' tags."""
        if len(refresh_token) > _MAX_TOKEN:
            raise InvalidRefreshTokenError
        found = await self._sessions.find_with_key(refresh_tokens.session_of(refresh_token))
        if found is None or not refresh_tokens.is_genuine(refresh_token, found[1]):
            raise InvalidRefreshTokenError
        return found

    async def _rotate(self, session: Session, key: str, client_id: str, token: str, address: str | None) -> str:
        nonce = refresh_tokens.new_key()
        next_token = refresh_tokens.successor(token, nonce, key)
        outcome, made_by = await self._sessions.rotate(session, client_id, token, next_token, nonce)
        if outcome is Rotation.REPLAYED:
            self._audit.record(_event("refresh.replayed", session, "refused", address=address))
        if outcome is not Rotation.ROTATED:
            raise InvalidRefreshTokenError
        return refresh_tokens.successor(token, made_by, key)

    async def access_token(self, session_id: str) -> Access:
        """A fresh access token of a session that lasts; raises SessionEndedError."""
        if (session := await self._sessions.find(session_id)) is None:
            raise SessionEndedError
        epoch = await self._sessions.epoch(session.user)
        return self._issue(session, await self._user_of(session), epoch)

    async def _user_of(self, session: Session) -> AuthenticatedUser:
        """The session's user as they are now; raises SessionEndedError, and ends the session, when they are gone.

        Whoever takes rights away raises the user's epoch afterwards: read after the epoch, the rights are never older.
        """
        user = await self._load_user(session.user)
        if user is None:
            await self._sessions.end(session.user, session.id)
            raise SessionEndedError
        return user

    def _issue(self, session: Session, user: AuthenticatedUser, epoch: int) -> Access:
        return self._issue_token(
            subject=session.user,
            tenant=user.tenant,
            session=session.id,
            epoch=epoch,
            scopes=user.scopes if session.scopes is None else user.scopes & session.scopes,
            client_id=session.client_id,
            not_after=session.expires,
        )

    async def find(self, user_id: str, session_id: str) -> Session:
        """A session of the user; raises NoSessionError when the user has none of that id."""
        session = await self._sessions.find(session_id)
        if session is None or session.user != user_id:
            raise NoSessionError
        return session

    async def of_user(self, user_id: str) -> list[Session]:
        """The sessions of a user, the latest first."""
        return await self._sessions.of_user(user_id)

    async def end(
        self, user_id: str, session_id: str, *, principal: Principal | None = None, address: str | None = None
    ) -> None:
        """End a session of the user, at every service; does nothing where there is none of that id.

        `principal` and `address` are who ends it, for the audit log; None: the user.
        """
        if await self._sessions.end(user_id, session_id):
            target = f"session:{session_id}"
            self._audit.record(_ended("session.end", user_id, principal, target, address))

    async def end_all(self, user_id: str, *, principal: Principal | None = None, address: str | None = None) -> None:
        """End all sessions of the user, at every service; otherwise as `end`."""
        if await self._sessions.end_all(user_id):
            target = f"user:{user_id}"
            self._audit.record(_ended("sessions.end", user_id, principal, target, address))

    async def end_client(self, client_id: str, epoch: int) -> None:
        """End all that a client has, at every service: its users' sessions, and its own tokens of a lower epoch."""
        await self._sessions.end_tokens_of_client(client_id, epoch)
        await self._sessions.end_of_client(client_id)

    async def raise_epoch(self, user_id: str) -> None:
        """End the access tokens of the user, at every service; those that are fetched next have the rights of then."""
        await self._sessions.raise_epoch(user_id)


def _event(action: str, session: Session, outcome: Outcome = "success", *, address: str | None) -> AuditEvent:
    return AuditEvent(
        action,
        outcome,
        subject=session.user,
        client_id=session.client_id,
        tenant=session.tenant,
        session=session.id,
        address=address,
    )


def _ended(action: str, user: str, principal: Principal | None, target: str, address: str | None) -> AuditEvent:
    if principal is not None:
        return AuditEvent.by(principal, action, target=target, address=address)
    return AuditEvent(action, subject=user, target=target, address=address)


def _refused(username: str, address: str, error: Exception) -> AuditEvent:
    """The name is hashed: a password typed into the wrong field must not be stored."""
    name = hashlib.sha256(username.encode()).hexdigest()[:32]
    reason = "wrong-credentials" if isinstance(error, WrongCredentialsError) else "too-many-attempts"
    detail = {"reason": reason}
    return AuditEvent("session.refused", "refused", target=f"name:{name}", address=address, detail=detail)
