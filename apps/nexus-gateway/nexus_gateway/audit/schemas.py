"""Bodies of the audit endpoint."""

from datetime import datetime

from pydantic import BaseModel

from nexus_gateway.audit.models import AuditEntry, Outcome


class AuditRow(BaseModel):
    """A row of the audit log. `hash` is hexadecimal, and covers the row before."""

    seq: int
    at: datetime
    action: str
    outcome: Outcome
    tenant: str | None
    subject: str | None
    actors: list[str]
    client_id: str | None
    session_id: str | None
    target: str | None
    address: str | None
    detail: dict[str, str]
    hash: str

    @classmethod
    def of(cls, entry: AuditEntry) -> "AuditRow":
        """The row of an entry."""
        event = entry.event
        return cls(
            seq=entry.seq,
            at=entry.at,
            action=event.action,
            outcome=event.outcome,
            tenant=event.tenant,
            subject=event.subject,
            actors=list(event.actors),
            client_id=event.client_id,
            session_id=event.session,
            target=event.target,
            address=event.address,
            detail=dict(event.detail),
            hash=entry.hash.hex(),
        )


class AuditPage(BaseModel):
    """Rows in the order in which they were written; `next` is the `after` of the following page, null at the end."""

    items: list[AuditRow]
    next: int | None
