"""Clients, and the tokens that were issued."""

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Client:
    """A service that may request tokens with its own secret."""

    id: str
    secret: str
    audiences: frozenset[str]
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that was issued. `expires_at` is in seconds since 1970."""

    token: str
    scope: str
    expires_at: int

    @property
    def expires_in(self) -> int:
        """Seconds that the token is still valid."""
        return max(0, self.expires_at - int(time.time()))
