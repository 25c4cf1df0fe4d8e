"""What a session is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One sign-in, at one device or by one client. `created`, `seen` and `expires` are in seconds since 1970.

    `scopes` are the most that its tokens have, None all that the user has. `address` and `agent` are those of the sign-in.
    """

    id: str
    user: str
    username: str
    tenant: str
    client_id: str
    scopes: frozenset[str] | None
    created: int
    seen: int
    expires: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Tokens[Access]:
    """What a session is used with: an access token for the gateway, and the token that the next ones are fetched with."""

    session: Session
    access: Access
    refresh_token: str
