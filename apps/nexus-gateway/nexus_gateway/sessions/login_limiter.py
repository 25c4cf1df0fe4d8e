"""Limits on failed sign-ins, counted in Redis. Nobody can use them to lock somebody else out.

Failures are counted by address, by user, and by both together, for WINDOW_SECONDS each.

- An address may fail MAX_PAIR_FAILURES times for one user. Another address is not affected.
- When all addresses together failed MAX_USER_FAILURES times for a user, each address that the user has not signed in
  from has one attempt in NARROW_SECONDS instead: guessing from many addresses is slowed, and the user still gets in.
- When an address failed MAX_ADDRESS_FAILURES times for whatever users, only users who have signed in from it before
  may try there.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cachetools import LRUCache
from redis.asyncio import Redis

from nexus_gateway.auth.client_address import address_block
from nexus_gateway.auth.errors import PasswordQueueFullError
from nexus_gateway.auth.shared_script import SharedScript
from nexus_gateway.sessions.errors import TooManyAttemptsError

WINDOW_SECONDS = 900
NARROW_SECONDS = 60
MAX_PAIR_FAILURES = 10
MAX_USER_FAILURES = 100
MAX_ADDRESS_FAILURES = 100
_KNOWN_SECONDS = 30 * 86400
_STRANGERS_AT_ONCE = 8  # of a crowd, so that who signed in here lately comes between them
_RECENT = 4096  # pairs of user and address
_PATIENCE_SECONDS = 2.0

# Each attempt is counted as a failure before the password is checked, so that many at once are limited as well.
# KEYS: failures by pair, user, address; the narrow turn; whether the pair is known. ARGV: window, narrow window, the
# three limits, 1 where a stranger's password can be checked soon. Returns the seconds to wait, 0 for an attempt that is
# counted and may go on, -1 for a stranger who finds no room, and whether the pair is known.
_BEGIN = """
local function count(key) return tonumber(redis.call('GET', key) or '0') end
local function left(key) return math.max(redis.call('TTL', key), 1) end
local known = redis.call('EXISTS', KEYS[5])
if count(KEYS[1]) >= tonumber(ARGV[3]) then return {left(KEYS[1]), known} end
if known == 0 then
  if count(KEYS[3]) >= tonumber(ARGV[5]) then return {left(KEYS[3]), known} end
  if ARGV[6] == '0' then return {-1, known} end
  if count(KEYS[2]) >= tonumber(ARGV[4]) and not redis.call('SET', KEYS[4], '1', 'EX', ARGV[2], 'NX') then
    return {left(KEYS[4]), known}
  end
end
for index = 1, 3 do
  if redis.call('INCR', KEYS[index]) == 1 then redis.call('EXPIRE', KEYS[index], ARGV[1]) end
end
return {0, known}
"""

# The attempt was no failure: it is taken back. KEYS as above; ARGV: seconds that the pair is known, which 0 leaves as it is.
_TAKE_BACK = """
for index = 2, 3 do
  if redis.call('EXISTS', KEYS[index]) == 1 then redis.call('DECR', KEYS[index]) end
end
if tonumber(ARGV[1]) > 0 then
  redis.call('DEL', KEYS[1], KEYS[4])
  redis.call('SET', KEYS[5], '1', 'EX', ARGV[1])
elseif redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('DECR', KEYS[1])
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to sign in, counted by these keys. `is_known`: the user has signed in from the address before."""

    keys: tuple[str, ...]
    is_known: bool


class LoginLimiter:
    """Counts attempts to sign in. Raises RedisUnavailableError.

    `has_room`: whether the password of one more stranger can be checked soon. An attempt whose connection to Redis is
    lost may count twice.
    """

    def __init__(self, redis: Redis, has_room: Callable[[], bool]) -> None:
        self._has_room = has_room
        self._begin = SharedScript(redis, _BEGIN)
        self._take_back = SharedScript(redis, _TAKE_BACK)
        self._strangers = asyncio.Semaphore(_STRANGERS_AT_ONCE)
        self._recent: LRUCache[str, bool] = LRUCache(_RECENT)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await self._begin.close()
        await self._take_back.close()

    async def begin(self, username: str, address: str) -> Attempt:
        """Count an attempt; raises TooManyAttemptsError when there were too many failures, and PasswordQueueFullError."""
        keys = _keys(username, address)
        limits = [WINDOW_SECONDS, NARROW_SECONDS, MAX_PAIR_FAILURES, MAX_USER_FAILURES, MAX_ADDRESS_FAILURES]
        async with self._turn(keys[-1]):
            wait, known = await self._begin.run(keys, (*limits, int(self._has_room())))
        if wait < 0:
            raise PasswordQueueFullError
        if wait:
            raise TooManyAttemptsError(wait)
        return Attempt(keys, is_known=bool(known))

    @asynccontextmanager
    async def _turn(self, known_key: str) -> AsyncIterator[None]:
        if known_key in self._recent:
            yield
            return
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):  # where Redis hangs, all would wait for those before them
                await self._strangers.acquire()
        except TimeoutError:
            raise PasswordQueueFullError from None
        try:
            yield
        finally:
            self._strangers.release()

    @asynccontextmanager
    async def attempt(self, username: str, address: str, failure: type[Exception]) -> AsyncIterator[None]:
        """An attempt, which fails if the block raises `failure`, and does not count if it raises another error.

        Raises TooManyAttemptsError and PasswordQueueFullError.
        """
        attempt = await self.begin(username, address)
        try:
            yield
        except failure:
            raise
        except Exception:
            await self.withdraw(attempt)
            raise
        await self.succeed(attempt)

    async def succeed(self, attempt: Attempt) -> None:
        """The user signed in: the failures of this address for this user are forgotten."""
        self._recent[attempt.keys[-1]] = True
        await self._end(attempt, _KNOWN_SECONDS)

    async def withdraw(self, attempt: Attempt) -> None:
        """The password was not checked, so the attempt does not count."""
        await self._end(attempt, 0)

    async def _end(self, attempt: Attempt, known_seconds: int) -> None:
        await self._take_back.run(attempt.keys, (known_seconds,))


def _keys(username: str, address: str) -> tuple[str, ...]:
    """Names are hashed: they may be long, and a password typed into the wrong field must not be stored."""
    user = hashlib.sha256(username.encode()).hexdigest()[:32]
    block = address_block(address)  # an IPv6 client has many addresses
    pair = f"{user}:{block}"
    named = {"pair": pair, "user": user, "address": block, "narrow": pair, "known": pair}
    return tuple(f"gateway:login:{kind}:{name}" for kind, name in named.items())
