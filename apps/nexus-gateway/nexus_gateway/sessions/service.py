"""Signing in and out."""

import secrets
import time

from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal, unauthorized
from nexus_gateway.identity.repository import User
from nexus_gateway.sessions.repository import Session, SessionRepository


class SessionService:
    """Sessions of users. A token that belongs to a session counts only as long as the session does."""

    def __init__(self, sessions: SessionRepository) -> None:
        self._sessions = sessions

    async def begin(self, user: User, seconds: int) -> Session:
        """A new session, which ends by itself after so many seconds."""
        session = Session(secrets.token_urlsafe(18), str(user.id), user.username, int(time.time()))
        await self._sessions.create(session, seconds)
        return session

    async def require_alive(self, principal: Principal) -> None:
        """Raise Problem 401 when the principal's session has ended."""
        if not await self.is_alive(principal):
            raise unauthorized("its session was ended")

    async def is_alive(self, principal: Principal) -> bool:
        """Whether the principal's session lasts; tokens of services belong to none and stand for themselves."""
        return principal.session is None or await self._sessions.exists(principal.session)

    async def current(self, principal: Principal) -> Session:
        """The principal's session; raises Problem 404 when the token belongs to none."""
        session = await self._sessions.get(principal.session) if principal.session else None
        if session is None:
            raise Problem(
                404,
                "no-session",
                "There is no session",
                "This token belongs to no session. Sign in at POST /v1/sessions.",
            )
        return session

    async def end(self, principal: Principal) -> None:
        """End the principal's session; raises Problem 404 when the token belongs to none."""
        session = await self.current(principal)
        await self._sessions.delete(session.id)
