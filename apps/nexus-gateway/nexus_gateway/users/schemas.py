"""Bodies of the user endpoints."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from nexus_chassis.schemas import RequestModel
from nexus_gateway.users.models import MAX_EMAIL, USERNAME_PATTERN, NewUser, UserChange
from nexus_gateway.users.passwords import MAX_LENGTH, MIN_LENGTH

_SLUG = r"^[a-z0-9][a-z0-9-]{0,62}$"  # of tenants and roles
# Without blanks and control characters: JSON Schema counts other characters as \s than the validator here, hence both.
_NO_AT = "[^@\\s\\x00-\\x1f\\x7f-\\x9f\ufeff]"
_EMAIL = f"^{_NO_AT}{{1,64}}@{_NO_AT}+$"

Username = Annotated[str, Field(pattern=USERNAME_PATTERN)]
Email = Annotated[str, Field(max_length=MAX_EMAIL, pattern=_EMAIL)]
RoleNames = Annotated[list[Annotated[str, Field(pattern=_SLUG)]], Field(max_length=50)]
Password = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
# The service refuses shorter ones, with its reasons; the document says so.
NewPassword = Annotated[Password, Field(json_schema_extra={"minLength": MIN_LENGTH})]


class UserCreation(RequestModel):
    """A user to be created, in the tenant of the administrator unless one is named.

    Without a password, the user can set one by a link (`password-reset`), or sign in elsewhere.
    """

    username: Username
    tenant: str | None = Field(default=None, pattern=_SLUG)
    roles: RoleNames = Field(default_factory=list)
    email: Email | None = None
    password: NewPassword | None = None

    def new_user(self) -> NewUser:
        """As the service takes it."""
        return NewUser(
            username=self.username,
            tenant=self.tenant,
            roles=frozenset(self.roles),
            email=self.email,
            password=self.password,
        )


class UserPatch(RequestModel):
    """What is to be changed; members that are missing stay as they are. An `email` of null removes it."""

    roles: RoleNames = Field(default_factory=list)
    email: Email | None = None
    disabled: bool = False

    def change(self) -> UserChange:
        """As the service takes it."""
        given = self.model_fields_set
        return UserChange(
            roles=frozenset(self.roles) if "roles" in given else None,
            email=self.email or "" if "email" in given else None,
            disabled=self.disabled if "disabled" in given else None,
        )


class UserBody(BaseModel):
    """A user; times are in seconds since 1970.

    A user without a password signs in elsewhere, or has not set one yet.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    username: str
    tenant: str
    roles: list[str]
    email: str | None
    disabled: bool
    has_password: bool
    created_at: int
    updated_at: int
    password_changed_at: int


class UserPage(BaseModel):
    """Users by name; `next` is the `after` of the page that follows, null at the end."""

    items: list[UserBody]
    next: str | None


class PasswordChange(RequestModel):
    """The own password, and the one that it is to be."""

    current_password: Password
    new_password: NewPassword


class PasswordReset(RequestModel):
    """A token of a reset link, and the new password."""

    token: str = Field(min_length=1, max_length=128)
    new_password: NewPassword


class ResetLinkBody(BaseModel):
    """An address at which a user sets a new password, once. `expires_at` is in seconds since 1970."""

    model_config = ConfigDict(from_attributes=True)

    url: str
    expires_at: int


class Me(BaseModel):
    """Who sends the request; `expires_at` is in seconds since 1970.

    `username` is null and `roles` is empty for a token of a service, `tenant` is null for one that belongs to none.
    """

    subject: str
    username: str | None
    tenant: str | None
    roles: list[str]
    client_id: str
    scopes: list[str]
    session_id: str | None
    expires_at: int
