"""The one Redis round trip that each authenticated request makes."""

import time
from dataclasses import dataclass

from redis.asyncio import Redis

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.shared_script import SharedScript

SEEN_SECONDS = 60
"""How old the time may be at which a session was last seen."""

# KEYS: the session's hash, the user's epoch. ARGV: the epoch that the token has, the time, SEEN_SECONDS. Returns what the
# session holds, or an empty list when the token is refused: its session ended, or the user's epoch has risen since the
# token was issued. Writes at most once in SEEN_SECONDS; where Redis takes no writes, the session counts all the same.
_GATE = """
local session = redis.call('HMGET', KEYS[1], 'user', 'username', 'created', 'seen')
if not session[1] then return {} end
if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[1]) then return {} end
if tonumber(ARGV[2]) - tonumber(session[4] or '0') >= tonumber(ARGV[3]) then
  redis.pcall('HSET', KEYS[1], 'seen', ARGV[2])
end
return session
"""


def session_key(session: str) -> str:
    """Redis key of a session's hash."""
    return f"gateway:session:{session}"


def user_epoch_key(user: str) -> str:
    """Redis key of the number that rises when all access tokens of a user end."""
    return f"gateway:user:{user}:epoch"


@dataclass(frozen=True, slots=True)
class SessionState:
    """What the store holds of a session that lasts. `created` is in seconds since 1970."""

    id: str
    user: str
    username: str
    created: int


class SessionGate:
    """Lets requests pass whose session lasts.

    `fail_open`: while Redis does not answer, tokens are accepted until they expire; otherwise those of sessions are
    refused.
    """

    def __init__(self, redis: Redis, *, fail_open: bool = False) -> None:
        self._script = SharedScript(redis, _GATE)
        self._fail_open = fail_open

    async def check(self, principal: Principal) -> SessionState | None:
        """The principal's session; None for a token that belongs to none, or whose session cannot be known now.

        Raises SessionEndedError, and RedisUnavailableError unless the gate fails open.
        """
        if principal.session is None:
            return None
        keys = (session_key(principal.session), user_epoch_key(principal.subject))
        try:
            found = await self._script.run(keys, (principal.session_epoch, int(time.time()), SEEN_SECONDS))
        except RedisUnavailableError:
            if self._fail_open:
                return None
            raise
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
