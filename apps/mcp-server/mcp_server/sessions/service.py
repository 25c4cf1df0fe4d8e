"""Sessions over HTTP: any worker process of any replica serves each of them."""

import json
import time
from dataclasses import asdict
from secrets import token_urlsafe
from typing import Any, Protocol

from cachetools import TTLCache

from mcp_server.metrics import SESSIONS
from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.session import Session
from mcp_server.sessions.errors import SessionNotFoundError, TooManySessionsError
from mcp_server.sessions.repository import SessionRepository, Stored

IDLE_SECONDS = 3600
"""How long a session lasts that nobody uses."""

LIFETIME_SECONDS = 24 * 3600
"""How long a session lasts at most."""

MAX_SESSIONS = 10_000
"""Sessions of one user."""

MAX_BYTES = 16 * 1024
"""Bytes of a session's capabilities, name and subscriptions."""

_CACHE_SECONDS = 5
_CACHED = 10_000
ENDED = "session"
"""Topic of notices that a session has changed or ended; the field `key` says which."""


class Publisher(Protocol):
    """Who sends notices to other processes."""

    async def publish(self, topic: str, **fields: str) -> None:
        """Send a notice to every process."""


class SessionService:
    """Begins, finds, changes and ends sessions. Each method raises RedisUnavailableError while Redis is away."""

    def __init__(self, repository: SessionRepository, notices: Publisher) -> None:
        self._repository = repository
        self._notices = notices
        self._cache: TTLCache[str, tuple[Session, float]] = TTLCache(_CACHED, _CACHE_SECONDS)

    async def begin(self, owner: str, session: Session) -> None:
        """Keep a new session of `owner`, and give it an id.

        Raises:
            TooManySessionsError: The user has MAX_SESSIONS already.
            RpcError: What the client said about itself is too long.
        """
        if await self._repository.count(owner) >= MAX_SESSIONS:
            SESSIONS.labels("refused").inc()
            raise TooManySessionsError(MAX_SESSIONS)
        session.session_id = token_urlsafe(24)
        await self._write(owner, session, time.time() + LIFETIME_SECONDS)
        SESSIONS.labels("began").inc()

    async def find(self, owner: str, session_id: str) -> Session:
        """Return a session of `owner`.

        Raises:
            SessionNotFoundError: There is none with this id.
        """
        key = topic_key(owner, session_id)
        if (cached := self._cache.get(key)) is not None:
            return cached[0]
        stored = await self._repository.read(owner, session_id)
        if stored is None or stored.ends_at <= time.time():
            raise SessionNotFoundError
        if not stored.is_fresh:
            await self._repository.touch(owner, session_id, stored.ends_at)
        session = _session(json.loads(stored.text), session_id)
        self._cache[key] = session, stored.ends_at
        return session

    async def save(self, owner: str, session: Session) -> None:
        """Keep a session that was changed."""
        stored = await self._repository.read(owner, session.session_id)
        if stored is None:
            raise SessionNotFoundError
        await self._write(owner, session, stored.ends_at)
        await self._notices.publish(ENDED, key=topic_key(owner, session.session_id), change="changed")

    async def end(self, owner: str, session_id: str) -> None:
        """End a session.

        Raises:
            SessionNotFoundError: There is none with this id.
        """
        if not await self._repository.delete(owner, session_id):
            raise SessionNotFoundError
        SESSIONS.labels("ended").inc()
        self._cache.pop(topic_key(owner, session_id), None)
        await self._notices.publish(ENDED, key=topic_key(owner, session_id), change="ended")

    async def of_user(self, owner: str) -> list[dict[str, Any]]:
        """Return the sessions of a user, without what their clients said beyond their names."""
        found = []
        for session_id in await self._repository.ids(owner):
            stored = await self._repository.read(owner, session_id)
            if stored is not None:
                session = _session(json.loads(stored.text), session_id)
                found.append({"id": session_id, "revision": session.revision, "client": session.client_info})
        return found

    def on_change(self, _topic: str, fields: dict[str, str]) -> None:
        """Forget what is cached of a session that another process changed or ended."""
        self._cache.pop(fields["key"], None)

    async def _write(self, owner: str, session: Session, ends_at: float) -> None:
        members = {**asdict(session), "subscriptions": sorted(session.subscriptions)}
        text = json.dumps(members)
        if len(text) > MAX_BYTES:
            raise RpcError(INVALID_PARAMS, f"The session would have {len(text)} bytes; at most {MAX_BYTES} are kept")
        await self._repository.write(owner, session.session_id, Stored(text, ends_at))
        self._cache[topic_key(owner, session.session_id)] = session, ends_at


def topic_key(owner: str, session_id: str) -> str:
    """Return what names a session in notices."""
    return json.dumps([owner, session_id])


def _session(members: dict[str, Any], session_id: str) -> Session:
    return Session(**{**members, "subscriptions": set(members["subscriptions"]), "session_id": session_id})
