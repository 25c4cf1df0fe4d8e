"""How many calls each rate class permits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

STANDARD, HEAVY = "standard", "heavy"
_DEFAULTS = {STANDARD: (600, 60), HEAVY: (30, 60)}
_RULE = re.compile(r"([a-z]+)=([1-9][0-9]{0,6})/([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` calls in `seconds`, and as many at once."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class RateClasses:
    """The rate of each class."""

    rates: Mapping[str, Rate]

    @classmethod
    def parse(cls, text: str) -> "RateClasses":
        """Return the rates of the setting NEXUS_TOOL_RATES, over the defaults; raises ValueError."""
        rates = {name: Rate(*rate) for name, rate in _DEFAULTS.items()}
        for part in text.split():
            rule = _RULE.fullmatch(part)
            if rule is None or rule[1] not in rates:
                raise ValueError(f"{part!r} is not CLASS=COUNT/SECONDS with one of the classes {', '.join(rates)}.")
            rates[rule[1]] = Rate(int(rule[2]), int(rule[3]))
        return cls(rates)
