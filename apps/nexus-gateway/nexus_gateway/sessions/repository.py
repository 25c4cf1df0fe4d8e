"""Sessions in Redis: one hash each, which expires when the session ends."""

from typing import Any

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.revocations import RevocationPage, end_session, read_revocations
from nexus_gateway.auth.session_gate import session_key, user_epoch_key
from nexus_gateway.sessions.models import Session


class SessionRepository:
    """Sessions by id; `auth.session_gate` reads what is written here. Raises RedisUnavailableError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, session: Session, seconds: int) -> int:
        """Keep the session for so many seconds; returns the user's epoch, which its tokens need."""
        fields: dict[Any, Any] = {"user": session.user, "username": session.username, "created": session.created}
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(session_key(session.id), mapping=fields)
                pipe.expire(session_key(session.id), seconds)
                pipe.get(user_epoch_key(session.user))
                *_, epoch = await pipe.execute()
        return int(epoch or 0)

    async def end(self, session: str) -> None:
        """End the session, here and at every service."""
        with translate_redis_errors():
            await self._redis.delete(session_key(session))
            await end_session(self._redis, session)

    async def raise_epoch(self, user: str) -> None:
        """End all sessions of the user: those that began before it are over."""
        with translate_redis_errors():
            await self._redis.incr(user_epoch_key(user))

    async def ended(self, after: str) -> RevocationPage:
        """The sessions that ended after a cursor, as the services read them."""
        with translate_redis_errors():
            return await read_revocations(self._redis, after)
