"""Sessions that ended before their tokens expire, made known to every service within seconds.

The gateway appends each to a Redis Stream (`end_session`) and serves them at a URL (`read_revocations`); every other
service polls that URL (`Revocations`). Session ids travel as SHA-256, so that reading them reveals no session.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
from cachetools import TTLCache
from redis.asyncio import Redis

from nexus_chassis.channels import START, offset_key
from nexus_chassis.issuer_keys import Fetch, fetch_json
from nexus_chassis.principal import Principal

STREAM = "gateway:revocations"
MAX_REVOCATIONS = 500
"""Revocations of one answer."""

POLL_SECONDS = 1.0
KEPT_SECONDS = 900
"""How long an ended session is kept: longer than any token of it lives."""

_MAX_SESSIONS = 100_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RevocationPage:
    """Ended sessions as SHA-256 in hexadecimal, and the cursor that the next page comes after."""

    sessions: Sequence[str]
    cursor: str

    def body(self) -> dict[str, Any]:
        """As the gateway answers it and `Revocations` reads it."""
        return {"sessions": list(self.sessions), "cursor": self.cursor}

    @classmethod
    def parse(cls, body: object) -> Self:
        """The page of an answer; raises ValueError."""
        match body:
            case {"sessions": list(sessions), "cursor": str(cursor)} if all(isinstance(item, str) for item in sessions):
                return cls(sessions, cursor)
        raise ValueError("it is not a page of revocations")


async def end_session(redis: Redis, session: str) -> None:
    """Make known that the session ended. The gateway calls this when it deletes one."""
    oldest = int((time.time() - KEPT_SECONDS) * 1000)
    await redis.xadd(STREAM, {"session": session_hash(session)}, minid=oldest, approximate=True)


async def withdraw_key(redis: Redis, key_id: str) -> None:
    """Make known that no token signed with this key counts any more."""
    oldest = int((time.time() - KEPT_SECONDS) * 1000)
    await redis.xadd(STREAM, {"key": key_id}, minid=oldest, approximate=True)


async def read_revocations(redis: Redis, after: str = START) -> RevocationPage:
    """At most 500 revocations after a cursor; raises ValueError for text that is not one."""
    offset_key(after)
    entries: Any = await redis.xrange(STREAM, min=f"({after}", count=MAX_REVOCATIONS)
    return RevocationPage(
        [fields["session"] for _, fields in entries if "session" in fields], entries[-1][0] if entries else after
    )


def session_hash(session: str) -> str:
    """What stands for a session id outside the gateway."""
    return hashlib.sha256(session.encode()).hexdigest()


class Revocations:
    """The ended sessions that the gateway serves at `url`, polled once a second while `following`.

    While the gateway is away the known ones stay; what ended meanwhile follows when it is back.
    """

    def __init__(self, url: str, *, fetch: Fetch = fetch_json) -> None:
        self._url = url
        self._fetch = fetch
        self._cursor = START
        self._away = False
        self._ended: TTLCache[str, bool] = TTLCache(_MAX_SESSIONS, KEPT_SECONDS)

    def has_ended(self, principal: Principal) -> bool:
        """Whether the principal's session was ended; the token of a service belongs to none."""
        return principal.session is not None and bool(self._ended) and session_hash(principal.session) in self._ended

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Read what there is, then poll in the background while the block runs."""
        while await self.update():
            pass
        task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            while await self.update():
                pass

    async def update(self) -> bool:
        """Read the next page; returns whether another one is waiting."""
        try:
            page = RevocationPage.parse(await self._fetch(f"{self._url}?after={self._cursor}"))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if not self._away:
                _log.warning("cannot read ended sessions at %s: %r", self._url, error)
            self._away = True
            return False
        self._away = False
        self._cursor = page.cursor
        self._ended.update(dict.fromkeys(page.sessions, True))
        return len(page.sessions) == MAX_REVOCATIONS
