"""The limits, and their figures.

What somebody may do at once is as much as in a minute. A principal gets a fifth of what one worker serves: 1,000 requests
a second for any length of time, and bursts of 60,000.
"""

import re

from nexus_gateway.auth.limit import Limit

ADDRESS, ANONYMOUS, CLIENT, PRINCIPAL = "address", "anonymous", "client", "principal"
MESSAGES, REGISTER, SIGN_IN, TOKEN = "messages", "register", "sign-in", "token"

DEFAULTS = (
    Limit(PRINCIPAL, 60_000, 60),
    Limit(CLIENT, 120_000, 60),
    Limit(ADDRESS, 120_000, 60),
    Limit("heavy", 6_000, 60),
    Limit(MESSAGES, 6_000, 60),
    Limit(ANONYMOUS, 6_000, 60),
    Limit(SIGN_IN, 600, 60),
    Limit(TOKEN, 12_000, 60),
    Limit(REGISTER, 30, 60),
)

_RULE = re.compile(r"([a-z-]+)=([1-9][0-9]{0,6})/([1-9][0-9]{0,4})")


def parse_limits(text: str) -> dict[str, Limit]:
    """By name: the defaults, but for those in `text`, `NAME=COUNT/SECONDS` each. Raises ValueError."""
    limits = {limit.name: limit for limit in DEFAULTS}
    for part in text.split():
        rule = _RULE.fullmatch(part)
        if rule is None:
            raise ValueError(f"{part!r} is not NAME=COUNT/SECONDS, such as principal=600/60.")
        if rule[1] not in limits:
            raise ValueError(f"There is no limit {rule[1]!r}. The limits are {', '.join(limits)}.")
        limits[rule[1]] = Limit(rule[1], int(rule[2]), int(rule[3]))
    return limits
