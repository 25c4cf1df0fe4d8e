"""What a user is."""

from dataclasses import dataclass
from uuid import UUID

USERNAME_PATTERN = r"^[a-z0-9][a-z0-9._@-]{0,62}$"
MAX_EMAIL = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person who belongs to a tenant, as administrators see them; times are in seconds since 1970.

    `version` rises with each change. Without a password, a user signs in elsewhere, or has not set one yet.
    """

    id: UUID
    username: str
    tenant: str
    roles: list[str]
    email: str | None
    disabled: bool
    has_password: bool
    version: int
    created_at: int
    updated_at: int
    password_changed_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A user to be created, in the requester's own tenant unless one is named."""

    username: str
    tenant: str | None = None
    roles: frozenset[str] = frozenset()
    email: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What of a user is to be changed: what is None stays, and the e-mail address goes where it is ""."""

    roles: frozenset[str] | None = None
    email: str | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What signing in needs to know of a user. `scopes` are those that the roles name; role `admin` has more."""

    id: UUID
    username: str
    tenant: str
    roles: list[str]
    scopes: frozenset[str]
    disabled: bool
    password_hash: str | None
    version: int


@dataclass(frozen=True, slots=True)
class ResetLink:
    """An address at which a user sets a new password, once. `expires_at` is in seconds since 1970."""

    url: str
    expires_at: int


def parse_user_id(text: str) -> UUID | None:
    """The id that the text spells as ids are spelled in answers; None for any other text."""
    try:
        user = UUID(text)
    except ValueError:
        return None
    return user if str(user) == text else None
