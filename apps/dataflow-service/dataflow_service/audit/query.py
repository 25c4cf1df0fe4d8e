"""What can be asked of the audit."""

from dataclasses import dataclass
from datetime import datetime

from dataflow_service.changes.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """A page of up to `limit` changes of a tenant before the position `after`; None is any, and the newest.

    `since` is the first moment of the changes, `until` the first after them.
    """

    tenant: str
    limit: int
    after: Position | None = None
    model: str | None = None
    row: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
