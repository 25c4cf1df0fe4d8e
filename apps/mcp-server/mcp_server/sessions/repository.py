"""Sessions in Redis, each under a key with its owner: the id of another user's session is unknown."""

import json
import time
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors


@dataclass(frozen=True, slots=True)
class Stored:
    """A session as it lies in Redis: JSON, and when it ends at the latest, in seconds since 1970.

    Where `is_fresh`, its use was noted not long ago.
    """

    text: str
    ends_at: float
    is_fresh: bool = True


_FRESH_SHARE = 0.98
"""Of the idle time that is left after a use: so a session may end a little early, and few requests write to Redis."""


class SessionRepository:
    """Reads and writes sessions. Each method raises RedisUnavailableError while Redis is away."""

    def __init__(self, redis: Redis, idle_seconds: int) -> None:
        self._redis = redis
        self._idle_seconds = idle_seconds

    async def count(self, owner: str) -> int:
        """Return how many sessions a user has."""
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.zremrangebyscore(_index(owner), "-inf", time.time())
                pipe.zcard(_index(owner))
                return int((await pipe.execute())[1])

    async def ids(self, owner: str) -> list[str]:
        """Return the ids of a user's sessions."""
        with translate_redis_errors():
            found: Any = await self._redis.zrange(_index(owner), time.time(), "+inf", byscore=True)
        return list(found)

    async def read(self, owner: str, session_id: str) -> Stored | None:
        """Return a session, None where there is none."""
        key = _key(owner, session_id)
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hmget(key, "session", "ends")
                pipe.pttl(key)
                (text, ends_at), left = await pipe.execute()
        if text is None or ends_at is None:
            return None
        return Stored(str(text), float(ends_at), is_fresh=left >= _FRESH_SHARE * self._idle_seconds * 1000)

    async def write(self, owner: str, session_id: str, stored: Stored) -> None:
        """Write a session, which then lasts until it is idle for too long."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.hset(_key(owner, session_id), mapping={"session": stored.text, "ends": stored.ends_at})
            await self._expire(pipe, owner, session_id, stored.ends_at)

    async def touch(self, owner: str, session_id: str, ends_at: float) -> None:
        """Take note that a session is used."""
        async with self._redis.pipeline(transaction=True) as pipe:
            await self._expire(pipe, owner, session_id, ends_at)

    async def _expire(self, pipe: Any, owner: str, session_id: str, ends_at: float) -> None:  # noqa: ANN401  redis-py's
        expires_at = min(time.time() + self._idle_seconds, ends_at)
        pipe.pexpireat(_key(owner, session_id), int(expires_at * 1000))
        pipe.zadd(_index(owner), {session_id: expires_at})
        pipe.pexpireat(_index(owner), int(ends_at * 1000), gt=True)
        pipe.pexpireat(_index(owner), int(ends_at * 1000), nx=True)
        with translate_redis_errors():
            await pipe.execute()

    async def delete(self, owner: str, session_id: str) -> bool:
        """Delete a session; returns whether there was one."""
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(_key(owner, session_id))
                pipe.zrem(_index(owner), session_id)
                return bool((await pipe.execute())[0])


def _key(owner: str, session_id: str) -> str:
    return f"mcp:session:{json.dumps([owner, session_id])}"  # of no other pair, whatever is in the parts


def _index(owner: str) -> str:
    return f"mcp:sessions:{owner}"
