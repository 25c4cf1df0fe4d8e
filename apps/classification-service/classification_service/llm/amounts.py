"""What calls of the language model use and cost."""

from dataclasses import dataclass
from decimal import Decimal

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of a call, as the server counts them; `cached` are some of `given`."""

    given: int
    cached: int
    made: int

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.given + other.given, self.cached + other.cached, self.made + other.made)


@dataclass(frozen=True, slots=True)
class Amount:
    """What a budget counts."""

    requests: int
    tokens: int
    cost: Decimal


UNBILLED = Amount(1, 0, Decimal(0))
"""A call that the server does not charge for."""

NOTHING = Amount(0, 0, Decimal(0))
"""No call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Prices of a million tokens, and the part of them that a call in a batch costs."""

    given: Decimal
    cached: Decimal
    made: Decimal
    batch: Decimal = Decimal(1)

    def amount(self, usage: Usage, *, requests: int = 1, batch: bool = False) -> Amount:
        """What a call costs that used so many tokens."""
        given = self.given * (usage.given - usage.cached) + self.cached * usage.cached
        cost = (given + self.made * usage.made) / _MILLION
        return Amount(requests, usage.given + usage.made, cost * self.batch if batch else cost)

    def most(self, usage: Usage, *, requests: int = 1, batch: bool = False) -> Amount:
        """The same at the dearer of the prices for what is cached and what is not."""
        dearer = Usage(usage.given, usage.given if self.cached > self.given else 0, usage.made)
        return self.amount(dearer, requests=requests, batch=batch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a day or a month may have."""

    requests: int
    tokens: int
    cost: Decimal

    def exceeded_by(self, total: Amount) -> tuple[str, Decimal] | None:
        """The first figure that is over its limit, and the limit."""
        pairs = (("requests", self.requests), ("tokens", self.tokens), ("cost", self.cost))
        return next(((name, Decimal(limit)) for name, limit in pairs if getattr(total, name) > limit), None)
