"""The gateway's application."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI

from nexus_chassis import postgres, redis
from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.http import create_http_session
from nexus_chassis.settings import load, read_secret
from nexus_gateway import __version__
from nexus_gateway.identity import endpoints as identity_endpoints
from nexus_gateway.identity.repository import UserRepository
from nexus_gateway.identity.service import IdentityService
from nexus_gateway.realtime import endpoints as realtime_endpoints
from nexus_gateway.realtime.hub import Hub
from nexus_gateway.routing import endpoints as routing_endpoints
from nexus_gateway.routing.routes import routes
from nexus_gateway.routing.service import ProxyService
from nexus_gateway.scopes import all_scopes, service_scopes
from nexus_gateway.services import Services
from nexus_gateway.sessions import endpoints as session_endpoints
from nexus_gateway.sessions.repository import SessionRepository
from nexus_gateway.sessions.service import SessionService
from nexus_gateway.settings import Settings
from nexus_gateway.status import endpoints as status_endpoints
from nexus_gateway.status.service import StatusService
from nexus_gateway.tokens import endpoints as token_endpoints
from nexus_gateway.tokens.keys import SigningKey
from nexus_gateway.tokens.service import Client, TokenService

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def create_app() -> FastAPI:
    """The application with settings from the environment."""
    settings = load(Settings)
    health = Health(settings.service_name, __version__)
    app = build_app(
        settings,
        version=__version__,
        lifespan=_lifespan,
        health=health,
        routers=[
            identity_endpoints.router,
            session_endpoints.router,
            token_endpoints.router,
            status_endpoints.router,
            realtime_endpoints.router,
            routing_endpoints.router(routes(settings)),
        ],
    )
    app.state.health = health
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    tokens = _token_service(settings)
    pool = await postgres.create_pool(settings)
    client = redis.create_redis(settings)
    async with pool, client, create_http_session(auto_decompress=False) as http:
        identity = IdentityService(UserRepository(pool))
        await postgres.migrate(pool, MIGRATIONS)
        password = read_secret(settings.admin_password_file, "NEXUS_ADMIN_PASSWORD_FILE")
        await identity.ensure_admin(password, all_scopes(settings.more_services))
        health: Health = app.state.health
        health.add("postgres", lambda: postgres.check(pool), critical=False)
        health.add("redis", lambda: redis.check(client), critical=False)
        hub = Hub(client)
        app.state.redis = client
        app.state.token_verifier = tokens.own_verifier
        app.state.services = Services(
            identity=identity,
            sessions=SessionService(SessionRepository(client)),
            tokens=tokens,
            proxy=ProxyService(http),
            hub=hub,
            status=StatusService(
                http, pool, client, health, {route.service: route.upstream for route in routes(settings)}
            ),
        )
        following = asyncio.create_task(hub.run())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def _token_service(settings: Settings) -> TokenService:
    secret = read_secret(settings.client_secret_file, "NEXUS_CLIENT_SECRET_FILE")
    scopes = service_scopes(settings.more_services)
    called = frozenset(scopes) - {settings.client_id}
    client = Client(settings.client_id, secret, called, frozenset({"data:read", "classify"}))
    return TokenService(SigningKey.load(settings.signing_key_file), settings.issuer, client, scopes)
