"""What the pages of the account need of the features that keep sessions and users."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from nexus_gateway.pages.login import LoginChoice


class Session(Protocol):
    """A session of a user; times are in seconds since 1970."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def created(self) -> int:
        """When the user signed in."""

    @property
    def seen(self) -> int:
        """When it was last used."""

    @property
    def expires(self) -> int:
        """When it ends by itself."""

    @property
    def address(self) -> str:
        """Where the user signed in from."""

    @property
    def agent(self) -> str:
        """What the user signed in with, as it named itself."""


class SignedIn(Protocol):
    """A session that has begun."""

    @property
    def session(self) -> Session:
        """The session."""


class Sessions(Protocol):
    """Sessions of users."""

    async def sign_in(self, username: str, password: str, address: str, agent: str) -> SignedIn:
        """Begin a session; raises what signing in over HTTP raises."""

    async def of_user(self, user_id: str) -> Sequence[Session]:
        """The sessions of a user."""

    async def end(self, user_id: str, session_id: str, *, address: str | None = None) -> None:
        """End a session of the user; does nothing where there is none of that id."""

    async def end_all(self, user_id: str, *, address: str | None = None) -> None:
        """End all sessions of the user."""


class Passwords(Protocol):
    """Passwords of users. A password that is changed or reset ends all sessions of its user."""

    async def change_password(self, user_id: str, current: str, new: str, *, address: str | None = None) -> None:
        """Change the password of a user who knows the current one."""

    async def reset_password(self, token: str, new: str, *, address: str | None = None) -> None:
        """Set the password of the user that a single-use link was made for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The services that the pages of the account stand on."""

    sessions: Sessions
    passwords: Passwords
    login_choices: Collection[LoginChoice]
