"""The one Redis round trip that each authenticated request makes: for its session, its user's epoch and its limits."""

from dataclasses import dataclass

from redis.asyncio import Redis

from nexus_chassis.errors import RedisUnavailableError
from nexus_chassis.gcra import ADMIT, NOW
from nexus_chassis.tokens import Principal
from nexus_gateway.auth.errors import SessionEndedError
from nexus_gateway.auth.limits import NO_CHARGE, Charge, Usage, read_usage
from nexus_gateway.auth.shared_script import SharedScript
from nexus_gateway.metrics import LIMITER_OPEN

SEEN_SECONDS = 60
"""How old the time may be at which a session was last seen."""

# KEYS: the session's hash and the user's epoch, then what is counted. ARGV: the epoch that the token has and SEEN_SECONDS,
# then what `admit` takes. Without a session ARGV[1] is empty, and the two keys are left out. Returns what `admit` does and
# what the session holds, or an empty list when the token is refused: its session ended, or the user's epoch has risen
# since the token was issued. Writes `seen` at most once in SEEN_SECONDS; where Redis takes no writes, the session counts
# all the same.
_GATE = f"""{ADMIT}{NOW}
if ARGV[1] == '' then return {{admit(now, 1, 3)}} end
local session = redis.call('HMGET', KEYS[1], 'user', 'username', 'created', 'seen')
if not session[1] then return {{}} end
if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[1]) then return {{}} end
if clock[1] - tonumber(session[4] or '0') >= tonumber(ARGV[2]) then
  redis.pcall('HSET', KEYS[1], 'seen', clock[1])
end
local allowed, index, left, wait = admit(now, 3, 3)
return {{allowed, index, left, wait, session[1], session[2], session[3]}}
"""
_NO_SESSION = ("", SEEN_SECONDS)


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

    async def admit(self, principal: Principal, charge: Charge) -> tuple[SessionState | None, Usage | None]:
        """Count a request of the principal; its session and what is left of its limits.

        There is no session for a token that belongs to none, or whose session cannot be known now. While Redis is away
        nothing is counted. Raises SessionEndedError, RateLimitedError, and for tokens of sessions RedisUnavailableError
        unless the gate fails open.
        """
        try:
            if principal.session is None:
                return None, await self.count(charge)
            return await self._enter(principal, principal.session, charge)
        except RedisUnavailableError:
            if principal.session is not None and not self._fail_open:
                raise
            LIMITER_OPEN.inc()
            return None, None

    async def _enter(self, principal: Principal, session: str, charge: Charge) -> tuple[SessionState, Usage | None]:
        keys = (session_key(session), user_epoch_key(principal.subject), *charge.keys)
        found = await self._script.run(keys, (principal.session_epoch, SEEN_SECONDS, *charge.arguments))
        if not found:
            raise SessionEndedError
        return SessionState(session, found[4], found[5], int(found[6])), read_usage(charge, found)

    async def count(self, charge: Charge) -> Usage | None:
        """Count something without a session; raises RateLimitedError or RedisUnavailableError."""
        if not charge.keys:
            return None
        return read_usage(charge, await self._script.run(charge.keys, (*_NO_SESSION, *charge.arguments)))

    async def check(self, principal: Principal) -> SessionState | None:
        """The principal's session, as `admit` returns it; counts nothing."""
        return (await self.admit(principal, NO_CHARGE))[0]

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
