"""Bodies of the session endpoints."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from nexus_chassis.schemas import RequestModel
from nexus_gateway.sessions.models import Session


class Credentials(RequestModel):
    """What a user signs in with."""

    username: str = Field(min_length=1, max_length=63, pattern=r"^[^\x00]+$")  # PostgreSQL takes no NUL
    password: str = Field(min_length=1, max_length=1024)


class RefreshRequest(RequestModel):
    """What the next tokens are fetched with."""

    refresh_token: str = Field(min_length=1, max_length=256)


class SignedIn(BaseModel):
    """Tokens of a session. `expires_in` is in seconds; a refresh token is used once, for the next ones."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  RFC 6750's name
    expires_in: int
    refresh_token: str
    scope: str
    session_id: str


class Device(BaseModel):
    """A session of the user; times are in seconds since 1970. `current`: the request was sent in it."""

    session_id: str
    username: str
    client_id: str
    created_at: int
    last_seen_at: int
    expires_at: int
    address: str
    agent: str
    current: bool

    @classmethod
    def of(cls, session: Session, current: str | None) -> Self:
        """How the session is shown to who sends a request in the session `current`."""
        return cls(
            session_id=session.id,
            username=session.username,
            client_id=session.client_id,
            created_at=session.created,
            last_seen_at=session.seen,
            expires_at=session.expires,
            address=session.address,
            agent=session.agent,
            current=session.id == current,
        )


class Devices(BaseModel):
    """The sessions of the user, the latest first."""

    items: list[Device]
