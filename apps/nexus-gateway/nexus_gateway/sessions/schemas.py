"""Bodies of the session endpoints."""

from typing import Literal

from pydantic import BaseModel, Field

from nexus_chassis.schemas import RequestModel


class Credentials(RequestModel):
    """What a user signs in with."""

    username: str = Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")  # PostgreSQL takes no NUL
    password: str = Field(min_length=1, max_length=1024)


class SignedIn(BaseModel):
    """A new session and its access token. `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  RFC 6750's name
    expires_in: int
    scope: str
    session_id: str


class CurrentSession(BaseModel):
    """The session that the token belongs to; times are in seconds since 1970."""

    session_id: str
    username: str
    created_at: int
    expires_at: int
