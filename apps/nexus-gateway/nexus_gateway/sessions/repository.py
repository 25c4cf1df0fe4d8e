"""Sessions in Redis: one hash each, which goes away by itself when the session ends."""

from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from nexus_gateway.unavailable import sessions_may_be_away


@dataclass(frozen=True)
class Session:
    """One sign-in. `created` is in seconds since 1970."""

    id: str
    user: str
    username: str
    created: int


class SessionRepository:
    """The keys `gateway:session:<id>`. Each method raises Problem 503 while Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, session: Session, seconds: int) -> None:
        """Keep the session for so many seconds."""
        fields: dict[Any, Any] = {"user": session.user, "username": session.username, "created": session.created}
        with sessions_may_be_away():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(_key(session.id), mapping=fields)
                pipe.expire(_key(session.id), seconds)
                await pipe.execute()

    async def exists(self, session: str) -> bool:
        """Whether the session has neither ended nor been ended."""
        with sessions_may_be_away():
            return bool(await self._redis.exists(_key(session)))

    async def get(self, session: str) -> Session | None:
        """The session, if it has not ended."""
        with sessions_may_be_away():
            fields: dict[Any, Any] = await self._redis.hgetall(_key(session))
        return Session(session, fields["user"], fields["username"], int(fields["created"])) if fields else None

    async def delete(self, session: str) -> None:
        """End the session."""
        with sessions_may_be_away():
            await self._redis.delete(_key(session))


def _key(session: str) -> str:
    return f"gateway:session:{session}"
