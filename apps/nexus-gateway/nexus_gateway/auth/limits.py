"""Limits on requests: what is counted, and the part of a Redis script that counts it.

GCRA (the leaky bucket as a meter): of a limit, Redis keeps one time, at which all that was used has come back. Each
request moves it on by `window / count`, and is refused where that would put it more than a window ahead. So `count`
requests may come at once, they come back one by one, and a key that nobody uses any more is gone within the window.

The package `limits` makes a round trip for each limit, besides that of the session check: three limits cost a request
231 us of CPU with its Redis storage (limits 5.8), and 8 us here on top of the 14 of the session check.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nexus_gateway.auth.errors import RateLimitedError
from nexus_gateway.auth.limit import Limit
from nexus_gateway.metrics import RATE_LIMITED

if TYPE_CHECKING:
    from starlette.types import Scope

_USAGE = "nexus.rate_limit"

# Lua: `admit(now, first, argument)` counts a request by KEYS[first] and the following ones, all of them or, where one
# refuses, none. ARGV[argument] and the following are interval and window of each, in microseconds. Returns whether the
# request may go on, the limit that has the least left (or that refuses for the longest time), how many requests are left
# of it, and the milliseconds until all are there again (or until the next may be sent). A time that is too far ahead is
# due to a clock that went back: it is a window ahead from then on. Where Redis takes no writes, nothing is counted.
ADMIT = """
local function put(key, time, now)
  redis.pcall('SET', key, string.format('%.0f', time), 'PX', math.ceil((time - now) / 1000))
end
local function admit(now, first, argument)
  if not KEYS[first] then return 1, 0, 0, 0 end
  local stored = redis.call('MGET', unpack(KEYS, first))
  local times, least, left, wait, refusing, pause = {}, 0, 0, 0, 0, 0
  for index = 1, #stored do
    local interval, window = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
    argument = argument + 2
    local time = math.max(tonumber(stored[index] or '0'), now)
    if time > now + window then
      time = now + window
      put(KEYS[first + index - 1], time, now)
    end
    time = time + interval
    local ahead = time - now
    local rest = math.floor((window - ahead) / interval)
    if ahead - window > pause then refusing, pause = index, ahead - window end
    if least == 0 or rest < left then least, left, wait = index, rest, ahead end
    times[index] = time
  end
  if refusing > 0 then return 0, refusing, 0, math.ceil(pause / 1000) end
  for index = 1, #stored do put(KEYS[first + index - 1], times[index], now) end
  return 1, least, left, math.ceil(wait / 1000)
end
"""

# Lua: `now`, in microseconds since 1970 by the clock of Redis, which all replicas share.
NOW = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
"""


class Charge(NamedTuple):
    """What one request counts by: keys of Redis, with the limit of each and its arguments for `admit`."""

    limits: Sequence[Limit]
    keys: tuple[str, ...]
    arguments: tuple[str, ...]
    policy: bytes


NO_CHARGE = Charge((), (), (), b"")


class Usage(NamedTuple):
    """What is left after a request, of the limit that has the least left; `seconds` until all of it is there again."""

    policy: bytes
    limit: str
    left: int
    seconds: int

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], tuple[bytes, bytes]]:
        """The headers of draft-ietf-httpapi-ratelimit-headers."""
        used = b'"%b";r=%d;t=%d' % (self.limit.encode(), self.left, self.seconds)
        return (b"ratelimit-policy", self.policy), (b"ratelimit", used)


def read_usage(charge: Charge, answer: Sequence[Any]) -> Usage | None:
    """What `admit` answered, None without limits; raises RateLimitedError for a request that is refused."""
    allowed, index, left, milliseconds = answer[:4]
    if not index:
        return None
    usage = Usage(charge.policy, charge.limits[index - 1].name, left, -(-milliseconds // 1000))
    if not allowed:
        RATE_LIMITED.labels(usage.limit).inc()
        headers = {name.decode(): value.decode() for name, value in usage.headers}
        raise RateLimitedError(usage.limit, usage.seconds, headers)
    return usage


def set_usage(scope: "Scope", usage: Usage | None) -> None:
    """Answer the request with what is left of its limits."""
    scope[_USAGE] = usage


def usage_of(scope: "Scope") -> Usage | None:
    """What is left of the limits of a request; None where it was not counted."""
    usage: Usage | None = scope.get(_USAGE)
    return usage
