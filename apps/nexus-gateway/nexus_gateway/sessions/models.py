"""What a session is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `created` is in seconds since 1970."""

    id: str
    user: str
    username: str
    created: int
