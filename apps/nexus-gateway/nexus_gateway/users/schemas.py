"""Bodies of the user endpoints."""

from pydantic import BaseModel


class Me(BaseModel):
    """Who sends the request. `username` is null for a token of a service."""

    subject: str
    username: str | None
    client_id: str
    scopes: list[str]
    session_id: str | None
    expires_at: int
