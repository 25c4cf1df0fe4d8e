"""Sessions in Redis: one hash each, which expires when the session ends, indexes by user and by client, and the user's epoch.

Each change is one script, with what makes it known to the other services: there is both or neither. The scripts name
sessions that they find in an index by themselves, so that all keys must be on one server, as the gateway's are.
"""

import time
from enum import StrEnum
from typing import Any

from redis.asyncio import Redis

from nexus_chassis.redis_errors import translate_redis_errors
from nexus_chassis.revocation_stream import STREAM, oldest_kept, revoke_subject
from nexus_chassis.revocations import KEPT_SECONDS, revocation_hash
from nexus_gateway.auth.scopes import FIRST_PARTY
from nexus_gateway.auth.session_gate import session_key, user_epoch_key
from nexus_gateway.sessions.models import Session
from nexus_gateway.sessions.refresh_tokens import token_hash

MAX_SESSIONS = 100
"""Sessions of one user. When one more begins, the one ends that would end first."""

GRACE_SECONDS = 10
"""How long the refresh token before the last still returns the last: several tabs may use it at once."""

_EPOCH_SECONDS = 2 * KEPT_SECONDS + 60
"""How long a user's epoch is kept: a process learns of it until KEPT_SECONDS later, and knows it for as long again."""

_FIELDS = ("user", "username", "tenant", "client_id", "created", "seen", "expires", "address", "agent")
_NUMBERS = frozenset({"created", "seen", "expires"})

_ENDED_AT_ONCE = 1000  # sessions of a client that one script ends, while Redis does nothing else

_FORGET = """
local function forget(id)
  local client = redis.call('HGET', 'gateway:session:' .. id, 'client_id')
  if client then redis.call('ZREM', 'gateway:client:' .. client .. ':sessions', id) end
  return redis.call('DEL', 'gateway:session:' .. id)
end
"""

_END = (
    _FORGET
    + """
local function finish(id, stream, oldest)
  local digest = redis.call('HGET', 'gateway:session:' .. id, 'digest')
  if digest then
    forget(id)
    redis.call('XADD', stream, 'MINID', '~', oldest, '*', 'session', digest)
  end
end
"""
)

# KEYS: the session's hash, the user's index, the user's epoch, the stream, the client's index where there is one. ARGV: the
# session's id, when it ends, the time, the most sessions of a user, the oldest offset of the stream, then names and values
# of the hash. Returns the epoch.
_CREATE = (
    _END
    + """
redis.call('HSET', KEYS[1], unpack(ARGV, 6))
redis.call('EXPIREAT', KEYS[1], math.floor(ARGV[2]))
local function index(key)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', ARGV[3])
  redis.call('ZADD', key, ARGV[2], ARGV[1])
end
local function expire(key)
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('EXPIREAT', key, math.ceil(last[2]))
end
index(KEYS[2])
if KEYS[5] then
  index(KEYS[5])
  expire(KEYS[5])
end
local surplus = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[4])
if surplus > 0 then
  local ended = redis.call('ZPOPMIN', KEYS[2], surplus)
  for index = 1, #ended, 2 do finish(ended[index], KEYS[4], ARGV[5]) end
end
expire(KEYS[2])
return redis.call('GET', KEYS[3]) or '0'
"""
)

# KEYS: the session's hash, the user's index, the stream. ARGV: the session's id, the user, the oldest offset of the stream.
# Returns whether there was such a session.
_END_ONE = (
    _END
    + """
if redis.call('HGET', KEYS[1], 'user') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
finish(ARGV[1], KEYS[3], ARGV[3])
return 1
"""
)

# KEYS: the client's index, the stream. ARGV: how many sessions to end at most, the oldest offset of the stream. Returns how
# many are left.
_END_OF_CLIENT = (
    _END
    + """
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[1] - 1)) do
  local user = redis.call('HGET', 'gateway:session:' .. id, 'user')
  if user then redis.call('ZREM', 'gateway:user:' .. user .. ':sessions', id) end
  finish(id, KEYS[2], ARGV[2])
  redis.call('ZREM', KEYS[1], id)
end
return redis.call('ZCARD', KEYS[1])
"""
)

# KEYS: the user's epoch, the user's index, the stream. ARGV: the user's hash, seconds that the epoch is kept, the oldest
# offset of the stream, whether the sessions end too. An epoch is the time in milliseconds, so that it is above all before
# it, those that were forgotten included. Returns how many sessions ended.
_RAISE_EPOCH = (
    _FORGET
    + """
local now = redis.call('TIME')
local epoch = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, now[1] * 1000 + math.floor(now[2] / 1000))
epoch = string.format('%.0f', epoch)
redis.call('SET', KEYS[1], epoch, 'EX', ARGV[2])
redis.call('XADD', KEYS[3], 'MINID', '~', ARGV[3], '*', 'subject', ARGV[1], 'epoch', epoch)
if ARGV[4] == '0' then return 0 end
local ended = 0
for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  ended = ended + forget(id)
end
redis.call('DEL', KEYS[2])
return ended
"""
)

# KEYS: the session's hash, the user's index, the stream. ARGV: the session's id, the client, hashes of the token and of its
# successor, the nonce that makes the successor, milliseconds of grace, the oldest offset of the stream. The token was issued
# for this session, now or before. Returns what happened, and the nonce that made the successor.
_ROTATE = (
    _END
    + """
local kept = redis.call('HMGET', KEYS[1], 'client_id', 'refresh', 'previous', 'rotated', 'nonce')
if kept[1] ~= ARGV[2] then return {'refused', ''} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if kept[2] == ARGV[3] then
  redis.call('HSET', KEYS[1], 'refresh', ARGV[4], 'previous', ARGV[3], 'nonce', ARGV[5],
             'rotated', string.format('%.0f', now), 'seen', time[1])
  return {'rotated', ARGV[5]}
end
if kept[3] == ARGV[3] and now - tonumber(kept[4]) <= tonumber(ARGV[6]) then return {'rotated', kept[5]} end
redis.call('ZREM', KEYS[2], ARGV[1])
finish(ARGV[1], KEYS[3], ARGV[7])
return {'replayed', ''}
"""
)


class Rotation(StrEnum):
    """What happened to a refresh token."""

    ROTATED = "rotated"
    REFUSED = "refused"
    REPLAYED = "replayed"


def user_sessions_key(user: str) -> str:
    """Redis key of the index of a user's sessions: when each ends, by its id."""
    return f"gateway:user:{user}:sessions"


def client_sessions_key(client_id: str) -> str:
    """Redis key of the index of the sessions that users have with a client: when each ends, by its id."""
    return f"gateway:client:{client_id}:sessions"


class SessionRepository:
    """Sessions; `auth.session_gate` reads what is written here. Raises RedisUnavailableError."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._create = redis.register_script(_CREATE)
        self._end_one = redis.register_script(_END_ONE)
        self._end_of_client = redis.register_script(_END_OF_CLIENT)
        self._raise_epoch = redis.register_script(_RAISE_EPOCH)
        self._rotate = redis.register_script(_ROTATE)

    async def create(self, session: Session, key: str, refresh_token: str) -> int:
        """Keep a session until it expires; returns the user's epoch, which its tokens need.

        `key` is that of the tags of its refresh tokens.
        """
        fields = {name: getattr(session, name) for name in _FIELDS}
        fields |= {"digest": revocation_hash(session.id), "family": key, "refresh": token_hash(refresh_token)}
        if session.scopes is not None:
            fields["scopes"] = " ".join(sorted(session.scopes))
        now = time.time()
        score = (
            f"{session.expires + now % 1:.6f}"  # of sessions that begin in the same second, too, the oldest ends first
        )
        pairs = [part for pair in fields.items() for part in pair]
        keys = [session_key(session.id), user_sessions_key(session.user), user_epoch_key(session.user), STREAM]
        if session.client_id != FIRST_PARTY:  # the client of everybody who signs in here is never removed
            keys.append(client_sessions_key(session.client_id))
        with translate_redis_errors():
            return int(
                await self._create(keys=keys, args=[session.id, score, now, MAX_SESSIONS, oldest_kept(), *pairs])
            )

    async def find(self, session: str) -> Session | None:
        """The session of that id."""
        found = await self.find_with_key(session)
        return found and found[0]

    async def find_with_key(self, session: str) -> tuple[Session, str] | None:
        """The session of that id, and the key of the tags of its refresh tokens."""
        with translate_redis_errors():
            fields: Any = await self._redis.hgetall(session_key(session))
        found = _session(session, fields)
        return None if found is None else (found, fields["family"])

    async def of_user(self, user: str) -> list[Session]:
        """The sessions of a user, the latest first."""
        with translate_redis_errors():
            ids: Any = await self._redis.zrevrange(user_sessions_key(user), 0, -1)
            async with self._redis.pipeline(transaction=False) as pipe:
                for session in ids:
                    pipe.hgetall(session_key(session))
                found = await pipe.execute()
        sessions = [_session(session, fields) for session, fields in zip(ids, found, strict=True)]
        return [session for session in sessions if session is not None]

    async def epoch(self, user: str) -> int:
        """The user's epoch."""
        with translate_redis_errors():
            return int(await self._redis.get(user_epoch_key(user)) or 0)

    async def rotate(
        self, session: Session, client_id: str, token: str, next_token: str, nonce: str
    ) -> tuple[Rotation, str]:
        """Replace a refresh token that was issued for the session, now or before.

        Returns what happened, and the nonce that made the token's successor, which may be that of an earlier rotation.
        """
        keys = [session_key(session.id), user_sessions_key(session.user), STREAM]
        hashes = [token_hash(token), token_hash(next_token)]
        arguments: list[str | int] = [session.id, client_id, *hashes, nonce, int(GRACE_SECONDS * 1000), oldest_kept()]
        with translate_redis_errors():
            outcome, made_by = await self._rotate(keys=keys, args=arguments)
        return Rotation(outcome), str(made_by)

    async def end(self, user: str, session: str) -> bool:
        """End a session of the user, here and at every service; returns whether there was one."""
        keys = [session_key(session), user_sessions_key(user), STREAM]
        with translate_redis_errors():
            return bool(await self._end_one(keys=keys, args=[session, user, oldest_kept()]))

    async def end_all(self, user: str) -> int:
        """End the sessions of a user and all their access tokens, at every service; returns how many sessions ended."""
        return await self._end_tokens(user, sessions=True)

    async def end_of_client(self, client_id: str) -> None:
        """End the sessions that users have with a client, at every service."""
        keys, left = [client_sessions_key(client_id), STREAM], 1
        with translate_redis_errors():
            while left:
                left = await self._end_of_client(keys=keys, args=[_ENDED_AT_ONCE, oldest_kept()])

    async def end_tokens_of_client(self, client_id: str, epoch: int) -> None:
        """End the tokens of a lower epoch that a client has for itself, at every service."""
        with translate_redis_errors():
            await revoke_subject(self._redis, client_id, epoch)

    async def raise_epoch(self, user: str) -> None:
        """End all access tokens of a user, at every service; the sessions last and can be refreshed."""
        await self._end_tokens(user, sessions=False)

    async def _end_tokens(self, user: str, *, sessions: bool) -> int:
        keys = [user_epoch_key(user), user_sessions_key(user), STREAM]
        arguments: list[str | int] = [revocation_hash(user), _EPOCH_SECONDS, oldest_kept(), int(sessions)]
        with translate_redis_errors():
            return int(await self._raise_epoch(keys=keys, args=arguments))


def _session(session: str, fields: dict[str, str]) -> Session | None:
    if "digest" not in fields:  # it has ended, or began before version 0.3
        return None
    values: dict[str, Any] = {name: int(fields[name]) if name in _NUMBERS else fields[name] for name in _FIELDS}
    scopes = frozenset(fields["scopes"].split()) if "scopes" in fields else None
    return Session(id=session, scopes=scopes, **values)
