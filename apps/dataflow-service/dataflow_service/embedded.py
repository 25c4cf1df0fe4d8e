"""The nodes in a Python process of your own, without the HTTP service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dataflow_service.changes.service import ChangePublisher
from dataflow_service.nodes.service import NodeService
from dataflow_service.records.service import RecordService
from dataflow_service.registry import loader
from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis import redis
from nexus_chassis.postgres import open_database


@asynccontextmanager
async def open_nodes(settings: Settings) -> AsyncIterator[NodeService]:
    """Context manager of the nodes of all models, on a migrated database; changes are published as the service does."""
    registry = loader.load(settings.models)
    async with open_database(settings, MIGRATIONS) as database, redis.create_redis(settings) as messages:
        records = RecordService(database, ChangePublisher(messages).publish, read_seconds=settings.read_seconds)
        yield NodeService(registry, records)
