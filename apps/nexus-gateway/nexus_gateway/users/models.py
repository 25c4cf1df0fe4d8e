"""What a user is."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AuthenticatedUser:
    """A user who may sign in, with all that a token may say of them. `scopes` are those of all their roles."""

    id: UUID
    username: str
    tenant: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who belongs to a tenant, as administrators see them. `version` rises with each change that they make.

    Without a password a user signs in elsewhere, or has not set one yet.
    """

    id: UUID
    username: str
    tenant: str
    roles: tuple[str, ...]
    email: str | None
    disabled: bool
    has_password: bool
    version: int
    created_at: datetime
    updated_at: datetime
    password_changed_at: datetime


@dataclass(frozen=True, slots=True)
class Login:
    """What signing in needs to know of a user. `scopes` are those that the roles name; role `admin` has more."""

    id: UUID
    username: str
    tenant: str
    roles: frozenset[str]
    scopes: frozenset[str]
    disabled: bool
    password_hash: str | None
