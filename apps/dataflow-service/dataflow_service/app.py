"""The application: opens PostgreSQL and Redis, applies migrations, serves models and rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from dataflow_service import __version__
from dataflow_service.catalogue import endpoints as catalogue_endpoints
from dataflow_service.catalogue import service as catalogue_service
from dataflow_service.changes.service import Changes
from dataflow_service.rows import endpoints as row_endpoints
from dataflow_service.rows.repository import RowRepository
from dataflow_service.rows.service import RowService
from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis import postgres, redis
from nexus_chassis.app import Lifespan, build_app
from nexus_chassis.health import Health
from nexus_chassis.settings import load
from nexus_chassis.tokens import TokenVerifier


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; without `settings` they are read from the environment."""
    settings = settings or load(Settings)
    health = Health(settings.service_name, __version__)
    app = build_app(
        settings,
        version=__version__,
        lifespan=_lifespan(settings, health),
        health=health,
        routers=[catalogue_endpoints.router, row_endpoints.router],
    )
    app.state.token_verifier = TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url)
    return app


def _lifespan(settings: Settings, health: Health) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.catalogue = catalogue_service.load(settings.models)
        pool = await postgres.create_pool(settings)
        messages = redis.create_redis(settings)
        health.add("postgres", lambda: postgres.check(pool), critical=True)
        health.add("redis", lambda: redis.check(messages), critical=False)
        app.state.rows = RowService(RowRepository(pool), Changes(messages))
        try:
            await postgres.migrate(pool, MIGRATIONS)
            yield
        finally:
            await messages.aclose()
            await pool.close()

    return lifespan
