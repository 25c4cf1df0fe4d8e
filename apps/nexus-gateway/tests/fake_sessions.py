"""The sessions that the authorization server needs, until the gateway has them: in Redis as far as the gate reads them."""

import secrets
import time
from dataclasses import dataclass
from typing import Any

from nexus_gateway.oauth.issuer import GATEWAY, TokenIssuer
from nexus_gateway.oauth.models import IssuedToken
from nexus_gateway.sessions.models import Session
from nexus_gateway.sessions.repository import SessionRepository


class RefusedError(LookupError):
    """The refresh token is refused."""


@dataclass
class Begun:
    session: Session
    user: Any
    client_id: str
    scopes: frozenset[str] | None
    refresh_token: str = ""


@dataclass
class Tokens:
    session: Session
    access: IssuedToken
    refresh_token: str


class FakeSessions:
    """Keeps sessions by id, and replaces a refresh token at each use."""

    def __init__(self, issuer: TokenIssuer, repository: SessionRepository) -> None:
        self._issuer = issuer
        self._repository = repository
        self.begun: dict[str, Begun] = {}

    async def begin(
        self,
        user: Any,  # noqa: ANN401
        *,
        client_id: str,
        scopes: frozenset[str] | None,
        address: str,
        agent: str,
    ) -> Tokens:
        assert address, agent
        session = Session(secrets.token_urlsafe(18), str(user.id), user.username, int(time.time()))
        await self._repository.create(session, 600)
        self.begun[session.id] = Begun(session, user, client_id, scopes)
        return self._tokens(self.begun[session.id])

    async def refresh(self, refresh_token: str, *, client_id: str) -> Tokens:
        begun = self.begun.get(refresh_token.partition(".")[0])
        if begun is None or (begun.refresh_token, begun.client_id) != (refresh_token, client_id):
            raise RefusedError
        return self._tokens(begun)

    async def end(self, user: str, session: str) -> None:
        assert self.begun.pop(session).session.user == user
        await self._repository.end(session)

    def _tokens(self, begun: Begun) -> Tokens:
        scopes = begun.user.scopes if begun.scopes is None else begun.user.scopes & begun.scopes
        claims = {"sub": begun.session.user, "client_id": begun.client_id, "sid": begun.session.id}
        begun.refresh_token = f"{begun.session.id}.{secrets.token_urlsafe(16)}"
        access = self._issuer.issue(claims | {"session_epoch": 0, "tenant": begun.user.tenant}, GATEWAY, scopes)
        return Tokens(begun.session, access, begun.refresh_token)
