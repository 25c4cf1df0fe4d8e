"""Audits what is changed, in the transaction of the change."""

from nexus_chassis.unit_of_work import UnitOfWork
from nexus_gateway.audit.models import AuditEvent
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.administration import Requester


class ChangeLog:
    """The part of the audit log that holds changes: there is both, the change and its row, or neither."""

    def __init__(self, writer: AuditWriter) -> None:
        self._writer = writer

    async def record(self, unit: UnitOfWork, requester: Requester, action: str, target: str, **detail: str) -> None:
        """Record that the requester did `action` to `target`; the last thing to do in the transaction."""
        event = AuditEvent(
            action,
            subject=requester.subject,
            actors=requester.actors,
            client_id=requester.client_id,
            tenant=requester.tenant,
            session=requester.session,
            target=target,
            address=requester.address,
            detail=detail,
        )
        await self._writer.record_in(unit, event)
