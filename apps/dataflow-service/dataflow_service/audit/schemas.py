"""How the audit looks in the OpenAPI document."""

from pydantic import BaseModel, Field

from dataflow_service.changes.schemas import ChangedRow


class ChangeAuthor(BaseModel):
    """Who made a change, as the access token said."""

    subject: str
    client_id: str
    token_id: str = Field(description="claim `jti` of the token")
    session: str | None
    actor: list[str] = Field(description="who acted for the subject, the current one first")


class AuditedChange(ChangedRow):
    """One changed row, and who changed it."""

    author: ChangeAuthor


class AuditPage(BaseModel):
    """Changes, the newest first; `next` is the `after` of the page after this one, null on the last."""

    items: list[AuditedChange]
    next: str | None
