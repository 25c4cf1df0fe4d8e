"""Who changed what, of one tenant."""

from dataclasses import dataclass

from dataflow_service.audit import repository
from dataflow_service.audit.encoding import page_json
from dataflow_service.audit.query import AuditQuery
from dataflow_service.changes.service import read_rows
from dataflow_service.records.repository import reading
from dataflow_service.records.service import MAX_PAGE_BYTES
from dataflow_service.registry.model import Registry
from nexus_chassis.unit_of_work import Database


@dataclass(frozen=True, slots=True)
class Audit:
    """The changes of all models that are kept, with their authors. A page may take PostgreSQL `read_seconds`."""

    database: Database
    registry: Registry
    read_seconds: float

    async def page(self, query: AuditQuery) -> bytes:
        """Return a page of changes as JSON, the newest first."""
        models = self.registry.by_path
        async with self.database.read() as connection, reading(connection, self.read_seconds):
            entries, more = await repository.read_page(connection, query, max_bytes=MAX_PAGE_BYTES)
            rows = await read_rows(connection, [entry.change for entry in entries], models, texts=False)
        return page_json(entries, rows, models, entries[-1].change.position if more else None)
