"""The application: wires the services and opens what they need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from dataflow_service import __version__
from dataflow_service.audit import endpoints as audit
from dataflow_service.audit.service import Audit
from dataflow_service.bulk import endpoints as bulk
from dataflow_service.bulk.progress import ProgressReports
from dataflow_service.bulk.service import BulkService, StreamLimits
from dataflow_service.changes import endpoints as changes
from dataflow_service.changes.relay import ChangeRelay
from dataflow_service.changes.service import ChangeFeed
from dataflow_service.context import Context
from dataflow_service.imports import endpoints as imports
from dataflow_service.imports.service import ImportService
from dataflow_service.nodes import endpoints as nodes
from dataflow_service.nodes.service import NodeService
from dataflow_service.openapi import endpoints as openapi
from dataflow_service.openapi.service import Document
from dataflow_service.pages import endpoints as pages
from dataflow_service.pages.service import ModelPages
from dataflow_service.problems import PROBLEMS
from dataflow_service.records import endpoints as records
from dataflow_service.records.service import RecordService
from dataflow_service.registry import endpoints as registry
from dataflow_service.registry import loader
from dataflow_service.schema import endpoints as schema
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.service import MigrationService
from dataflow_service.settings import MIGRATIONS, Settings
from dataflow_service.transactions import endpoints as transactions
from nexus_chassis import redis
from nexus_chassis.app import Lifespan, build_app
from nexus_chassis.background import in_background
from nexus_chassis.health import Health
from nexus_chassis.limits import Limits
from nexus_chassis.postgres import open_database
from nexus_chassis.revocations import Revocations, follow_revocations
from nexus_chassis.settings import load
from nexus_chassis.tokens import TokenVerifier

LIMITS = Limits(running=64)
"""A page that its client is slow to take has up to 1 MiB, and as many of them must fit into the memory limit."""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; without `settings` they are read from the environment."""
    settings = settings or load(Settings)
    health = Health(settings.service_name, __version__)
    revocations = Revocations()
    return build_app(
        settings,
        version=__version__,
        lifespan=_lifespan(settings, health, revocations),
        health=health,
        routers=[
            registry.router,
            schema.router,
            nodes.router,
            transactions.router,
            changes.router,
            audit.router,
            openapi.router,
            bulk.router,
            imports.router,
            records.router,
            pages.router,
            pages.files,
        ],
        problems=PROBLEMS,
        limits=LIMITS,
        verifier=TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url, revocations=revocations),
        openapi_url=None,
    )


def _lifespan(settings: Settings, health: Health, revocations: Revocations) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models = loader.load(settings.models)
        migrations = MigrationService(settings, desired_schema(models))
        async with (
            open_database(settings, MIGRATIONS, workers=settings.workers, row_security=True) as database,
            redis.create_redis(settings) as messages,
            follow_revocations(settings.revocations_url, revocations),
        ):
            health.add("postgres", database.check, critical=True)
            health.add("redis", lambda: redis.check(messages), critical=False)
            health.wait_for(lambda: database.opened)
            relay = ChangeRelay(database, messages, models, kept=timedelta(days=settings.changes_days))
            rows = RecordService(database, relay.announce, read_seconds=settings.read_seconds)
            reports = ProgressReports(messages)
            app.state.context = Context(
                registry=models,
                records=rows,
                bulk=BulkService(database, _stream_limits(settings), reports),
                nodes=NodeService(models, rows),
                changes=ChangeFeed(database, models, settings.read_seconds),
                imports=ImportService(database),
                audit=Audit(database, models, settings.read_seconds),
                migrations=migrations,
                document=Document(app, models),
                pages=ModelPages(rows, settings.issuer),
            )
            async with in_background(relay.run()), in_background(reports.run()), migrations.working():
                yield

    return lifespan


def _stream_limits(settings: Settings) -> StreamLimits:
    return StreamLimits(
        rows=settings.bulk_rows,
        size=settings.bulk_bytes,
        seconds=settings.bulk_seconds,
        connections=max(1, settings.postgres_pool_size // 2),
        read_seconds=settings.read_seconds,
    )
