"""What a user is."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in."""

    id: UUID
    username: str
    password_hash: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What the gateway itself last set for the user `admin`, apart from what was changed since."""

    password_hash: str
    scopes: frozenset[str]
