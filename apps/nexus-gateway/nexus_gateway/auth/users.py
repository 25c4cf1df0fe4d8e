"""Whoever signs in, as the features pass them on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """A user who may sign in, with all that a token may say of them. `scopes` are those of all their roles.

    `version` rises with each change of the user, that of the password included.
    """

    id: UUID
    username: str
    tenant: str
    scopes: frozenset[str]
    version: int


type LoadUser = Callable[[str], Awaitable[AuthenticatedUser | None]]
"""Finds the user of an id as they are now; None for one that is disabled or no longer there."""
