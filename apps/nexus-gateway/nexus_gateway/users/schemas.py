"""Bodies of the user endpoints."""

from pydantic import BaseModel


class Me(BaseModel):
    """Who sends the request. `username` is null for a token of a service, `tenant` for one that belongs to none."""

    subject: str
    username: str | None
    tenant: str | None
    client_id: str
    scopes: list[str]
    session_id: str | None
    expires_at: int
