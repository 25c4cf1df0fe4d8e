"""Limits on requests: what is counted. `nexus_chassis.gcra` is the part of a Redis script that counts it.

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
