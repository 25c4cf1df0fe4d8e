"""Bodies of the identity endpoints."""

from pydantic import BaseModel


class Me(BaseModel):
    """Who the caller is."""

    subject: str
    username: str | None
    client_id: str
    scopes: list[str]
    session_id: str | None
    expires_at: int
