"""What authorization leaves in Redis: codes, and what was granted to the sessions that began with them."""

import hashlib
import json
import secrets
from dataclasses import asdict
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors
from nexus_gateway.oauth.errors import ReplayedCodeError
from nexus_gateway.oauth.models import AuthorizationCode, SessionGrant

CODE_SECONDS = 60
REPLAY_SECONDS = 3600
"""How long a code that was presented is remembered, to notice when somebody presents it again."""

# KEYS: the code. ARGV: how long it is remembered. Returns nothing for an unknown code, what it stands for when it is
# presented first, and that with the session that it began (or an empty text) when it is presented again.
_CLAIM = """
local found = redis.call('HMGET', KEYS[1], 'code', 'claimed', 'session')
if not found[1] then return {} end
if found[2] then
  redis.call('HSET', KEYS[1], 'replayed', '1')
  return {found[1], found[3] or ''}
end
redis.call('HSET', KEYS[1], 'claimed', '1')
redis.call('EXPIRE', KEYS[1], ARGV[1])
return {found[1]}
"""

# KEYS: the code. ARGV: the session that it began. Returns 1 when the code was presented again meanwhile.
_BEGAN = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], 'session', ARGV[1])
return redis.call('HEXISTS', KEYS[1], 'replayed')
"""


class CodeStore:
    """Authorization codes: stored hashed, valid once and for CODE_SECONDS. Raises RedisUnavailableError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._claim = redis.register_script(_CLAIM)
        self._began = redis.register_script(_BEGAN)

    async def create(self, granted: AuthorizationCode) -> str:
        """A new code for what a user granted."""
        code = secrets.token_urlsafe(32)
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(_code_key(code), "code", json.dumps(asdict(granted)))
                pipe.expire(_code_key(code), CODE_SECONDS)
                await pipe.execute()
        return code

    async def claim(self, code: str) -> AuthorizationCode | None:
        """What the code stands for, once, whatever comes of it; raises ReplayedCodeError when it is presented again."""
        with translate_redis_errors():
            found: list[str] = await self._claim(keys=[_code_key(code)], args=[REPLAY_SECONDS])
        if not found:
            return None
        granted = AuthorizationCode(**json.loads(found[0]))
        if len(found) > 1:
            raise ReplayedCodeError(granted.user, found[1] or None)
        return granted

    async def began(self, code: str, user: str, session: str) -> None:
        """The code began this session; raises ReplayedCodeError when it was presented again meanwhile."""
        with translate_redis_errors():
            replayed: int = await self._began(keys=[_code_key(code)], args=[session])
        if replayed:
            raise ReplayedCodeError(user, session)


class SessionGrants:
    """What clients were granted for sessions, for as long as a session can last. Raises RedisUnavailableError."""

    def __init__(self, redis: Redis, seconds: int) -> None:
        self._redis = redis
        self._seconds = seconds

    async def save(self, session: str, granted: SessionGrant) -> None:
        """Keep what the client of the session was granted."""
        fields: dict[Any, Any] = asdict(granted)
        with translate_redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(_grant_key(session), mapping=fields)
                pipe.expire(_grant_key(session), self._seconds)
                await pipe.execute()

    async def find(self, session: str) -> SessionGrant | None:
        """What the client of the session was granted; None for a session that no client began."""
        with translate_redis_errors():
            found: dict[Any, Any] = await self._redis.hgetall(_grant_key(session))
        return SessionGrant(**found) if found else None


def _code_key(code: str) -> str:
    return f"gateway:code:{hashlib.sha256(code.encode()).hexdigest()}"


def _grant_key(session: str) -> str:
    """Hashed, because the id may come from a client."""
    return f"gateway:grant:{hashlib.sha256(session.encode()).hexdigest()}"
