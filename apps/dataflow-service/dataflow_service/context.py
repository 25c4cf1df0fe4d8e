"""What the application holds while it runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    from dataflow_service.audit.service import Audit
    from dataflow_service.bulk.service import BulkService
    from dataflow_service.changes.service import ChangeFeed
    from dataflow_service.imports.service import ImportService
    from dataflow_service.nodes.service import NodeService
    from dataflow_service.openapi.service import Document
    from dataflow_service.pages.service import ModelPages
    from dataflow_service.records.service import RecordService
    from dataflow_service.registry.model import Registry
    from dataflow_service.schema.service import MigrationService


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The registry and the services, wired by app.py alone."""

    registry: "Registry"
    records: "RecordService"
    bulk: "BulkService"
    nodes: "NodeService"
    changes: "ChangeFeed"
    audit: "Audit"
    imports: "ImportService"
    migrations: "MigrationService"
    document: "Document"
    pages: "ModelPages"


def context_of(connection: HTTPConnection) -> Context:
    """Return the context of the application that serves a request."""
    context: Context = connection.app.state.context
    return context


async def get_context(connection: HTTPConnection) -> Context:
    """Return the same, as a dependency."""
    return context_of(connection)


ContextOfApp = Annotated[Context, Depends(get_context)]
