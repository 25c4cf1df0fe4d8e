"""Which channels there are, and who may hear them."""

import re

from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal, forbidden

_NAME = re.compile(r"([a-z]+):[a-z0-9_.-]{1,64}")
_SCOPES = {"data": "data:read", "classification": "classify"}
"""By the part of the channel's name before the colon."""


def require_audible(channel: object, principal: Principal) -> str:
    """The channel's name, if the principal may hear it; raises Problem 400 or 403."""
    match = _NAME.fullmatch(channel) if isinstance(channel, str) else None
    scope = _SCOPES.get(match[1]) if match else None
    if match is None or scope is None:
        kinds = ", ".join(f"{kind}:NAME" for kind in _SCOPES)
        raise Problem(400, "unknown-channel", "There is no such channel", f"Found {channel!r}. Channels are {kinds}.")
    if scope not in principal.scopes:
        raise forbidden([scope])
    return match[0]
