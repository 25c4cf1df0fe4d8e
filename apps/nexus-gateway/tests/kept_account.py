"""A gateway whose pages stand on sessions and passwords kept here."""

from dataclasses import dataclass, field

from nexus_chassis.problems import Problem
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.context import Context
from nexus_gateway.oauth.models import IssuedToken


@dataclass
class KeptSession:
    id: str
    user: str
    username: str
    created: int
    seen: int
    expires: int
    address: str
    agent: str


@dataclass
class Begun:
    session: KeptSession


@dataclass
class Kept:
    context: Context
    url: str
    sessions: dict[str, KeptSession] = field(default_factory=dict)
    passwords: list[tuple[str, ...]] = field(default_factory=list)

    async def sign_in(self, username: str, password: str, address: str, agent: str) -> Begun:
        begun = (await self.context.sessions.sign_in(username, password, address)).session
        now = begun.created
        kept = KeptSession(begun.id, begun.user, begun.username, now, now, now + 1000, address, agent)
        self.sessions[begun.id] = kept
        return Begun(kept)

    async def access_token(self, session: str) -> IssuedToken:
        if (kept := self.sessions.get(session)) is None:
            raise SessionEndedError
        scopes = frozenset({"data:read", "admin"})
        return self.context.issuer.issue_session_token(
            subject=kept.user, tenant="default", session=session, epoch=0, scopes=scopes
        )

    async def of_user(self, user_id: str) -> list[KeptSession]:
        return [session for session in self.sessions.values() if session.user == user_id]

    async def end(self, user_id: str, session_id: str) -> None:
        if (kept := self.sessions.get(session_id)) is not None and kept.user == user_id:
            del self.sessions[session_id]
            await self.context.sessions._sessions.end(session_id)  # noqa: SLF001

    async def end_all(self, user_id: str) -> None:
        for session in await self.of_user(user_id):
            await self.end(user_id, session.id)

    async def change_password(self, user_id: str, current: str, new: str, *, address: str | None = None) -> None:  # noqa: ARG002
        if current != "correct horse battery staple":
            raise Problem(403, "wrong-password", "", "The current password is wrong.")
        if len(new) < 12:
            raise Problem(422, "weak-password", "", "The password is too short.")
        self.passwords.append((user_id, current, new))
        await self.end_all(user_id)

    async def reset_password(self, token: str, new: str, *, address: str | None = None) -> None:  # noqa: ARG002
        if token != "good":
            raise Problem(404, "unknown-link", "", "The link was used, or it has expired.")
        self.passwords.append((token, new))
