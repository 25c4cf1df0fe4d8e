"""The nodes in a Python process of your own, without the HTTP service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dataflow_service.nodes.service import NodeService
from dataflow_service.records.service import RecordService
from dataflow_service.registry import loader
from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis.postgres import open_database


@asynccontextmanager
async def open_nodes(settings: Settings) -> AsyncIterator[NodeService]:
    """Context manager of the nodes of all models, on a migrated database. The service finds and publishes the changes."""
    registry = loader.load(settings.models)
    async with open_database(settings, MIGRATIONS, row_security=True) as database:
        yield NodeService(registry, RecordService(database, _announce, read_seconds=settings.read_seconds))


def _announce() -> None:
    """Nothing: the service looks for changes that nobody announces."""
