"""The one Redis round trip that each authenticated request makes."""

from dataclasses import dataclass

from redis.asyncio import Redis

from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.shared_script import SharedScript

# KEYS: the session's hash, the user's epoch. Returns what the session holds, or an empty list when it has ended: its
# hash is gone, or the user's epoch has moved on since it began. Reading only.
_GATE = """
local session = redis.call('HMGET', KEYS[1], 'user', 'username', 'created', 'epoch')
if not session[1] then return {} end
if (redis.call('GET', KEYS[2]) or '0') ~= (session[4] or '0') then return {} end
return session
"""


def session_key(session: str) -> str:
    """Redis key of a session's hash."""
    return f"gateway:session:{session}"


def user_epoch_key(user: str) -> str:
    """Redis key of the number that rises when all sessions of a user end."""
    return f"gateway:user:{user}:epoch"


@dataclass(frozen=True, slots=True)
class SessionState:
    """What the store holds of a session that lasts. `created` is in seconds since 1970."""

    id: str
    user: str
    username: str
    created: int


class SessionGate:
    """Lets requests pass whose session lasts."""

    def __init__(self, redis: Redis) -> None:
        self._script = SharedScript(redis, _GATE)

    async def check(self, principal: Principal) -> SessionState | None:
        """The principal's session; None for a token that belongs to none, such as that of a service.

        Raises SessionEndedError, or RedisUnavailableError when it cannot be known.
        """
        if principal.session is None:
            return None
        found = await self._script.run(session_key(principal.session), user_epoch_key(principal.subject))
        if not found:
            raise SessionEndedError
        return SessionState(principal.session, found[0], found[1], int(found[2]))

    async def close(self) -> None:
        """Close the connection to Redis."""
        await self._script.close()

    async def is_active(self, principal: Principal) -> bool:
        """Whether the principal's session lasts, or its token belongs to none."""
        try:
            await self.check(principal)
        except SessionEndedError:
            return False
        return True

    async def may_stay(self, principal: Principal) -> bool:
        """Whether an open connection of the principal may stay: also while Redis is away, when nothing is sent on it."""
        try:
            return await self.is_active(principal)
        except (RedisUnavailableError, PoolExhaustedError):
            return True
