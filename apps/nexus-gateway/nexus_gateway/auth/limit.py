"""What a limit is."""

from dataclasses import dataclass
from functools import cached_property

_MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Limit:
    """`count` requests in `seconds`, and as many at once."""

    name: str
    count: int
    seconds: int

    @cached_property
    def arguments(self) -> tuple[str, str]:
        """Interval and window in microseconds: whole numbers, so that exactly `count` fit into a window."""
        interval = max(1, self.seconds * _MICROSECONDS // self.count)
        return str(interval), str(interval * self.count)

    @cached_property
    def policy(self) -> str:
        """The limit as an item of the header RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
        return f'"{self.name}";q={self.count};w={self.seconds}'
