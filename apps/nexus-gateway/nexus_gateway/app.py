"""The gateway's application."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis

from nexus_chassis import redis as redis_clients
from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.http import create_http_session
from nexus_chassis.limits import Limits
from nexus_chassis.origins import Origins
from nexus_chassis.postgres import open_database
from nexus_chassis.revocation_stream import RevocationFeed, revoke_key
from nexus_chassis.revocations import Revocations
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import load, read_secret
from nexus_chassis.unit_of_work import Database
from nexus_gateway import __version__
from nexus_gateway.audit import endpoints as audit_endpoints
from nexus_gateway.audit.refusals import record_refusals
from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.browsers import Browsers
from nexus_gateway.auth.public_address import PublicAddress
from nexus_gateway.auth.scopes import all_scopes
from nexus_gateway.auth.session_gate import SessionGate
from nexus_gateway.context import Context
from nexus_gateway.events import endpoints as event_endpoints
from nexus_gateway.events.hub import Hub
from nexus_gateway.oauth import endpoints as oauth_endpoints
from nexus_gateway.oauth.clients import service_client
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.keys.encryption import KeyEncryption
from nexus_gateway.oauth.keys.follower import following_keys
from nexus_gateway.oauth.keys.ring import KeyRing
from nexus_gateway.oauth.keys.service import SigningKeyService
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_gateway.oauth.models import Client
from nexus_gateway.oauth.opening import OAuthSettings, open_oauth
from nexus_gateway.pages import endpoints as page_endpoints
from nexus_gateway.problems import PROBLEMS
from nexus_gateway.proxy import endpoints as proxy_endpoints
from nexus_gateway.proxy.connections import create_upstream_session
from nexus_gateway.proxy.forwarder import Forwarder
from nexus_gateway.proxy.routes import RouteTable
from nexus_gateway.sessions import endpoints as session_endpoints
from nexus_gateway.sessions.errors import InvalidRefreshTokenError
from nexus_gateway.sessions.login_limiter import LoginLimiter
from nexus_gateway.sessions.repository import SessionRepository
from nexus_gateway.sessions.service import SessionService
from nexus_gateway.settings import Settings
from nexus_gateway.status import endpoints as status_endpoints
from nexus_gateway.status.service import StatusService
from nexus_gateway.users import endpoints as user_endpoints
from nexus_gateway.users.authentication import UserAuthentication
from nexus_gateway.users.bootstrap import Bootstrap
from nexus_gateway.users.passwords import Passwords
from nexus_gateway.users.repository import UserRepository

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LIMITS = Limits(running=1536, principal_running=1024)  # most of them wait for a service, with 64 KiB of body at most


def create_app() -> FastAPI:
    """The application with settings from the environment."""
    settings = load(Settings)
    table = RouteTable(settings)
    health = Health(settings.service_name, __version__)
    app = build_app(
        settings,
        version=__version__,
        lifespan=partial(_lifespan, settings, table, health),
        health=health,
        routers=[
            proxy_endpoints.router(table.routes),  # most requests; routes are tried in this order
            user_endpoints.router,
            session_endpoints.router,
            *oauth_endpoints.routers,
            status_endpoints.router,
            event_endpoints.router,
            audit_endpoints.router,
            page_endpoints.router,
        ],
        problems=PROBLEMS,
        limits=LIMITS,
        origins=Origins.parse(settings.allowed_origins),
        trusts_peer=_trusts_nobody,
    )
    record_refusals(app)
    return app


def _trusts_nobody(_: str) -> bool:
    return False


def reload_routes(app: FastAPI) -> None:
    """Serve the routes as NEXUS_ROUTES_FILE has them now; raises ValueError, and changes nothing, where it is wrong."""
    table: RouteTable = app.state.context.route_table
    table.reload()
    proxy_endpoints.replace_routes(app, table.routes)


@asynccontextmanager
async def _lifespan(settings: Settings, table: RouteTable, health: Health, app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        context = await _open(stack, settings, table, health)
        await stack.enter_async_context(context.revocation_feed.running(runtime_of(app).drain))
        app.state.context = context
        runtime = runtime_of(app)
        runtime.verifier = context.issuer.gateway_verifier
        runtime.on_reload.append(partial(context.signing_keys.reload, settings.signing_key_file))
        following = asyncio.create_task(context.hub.run())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


async def _open(stack: AsyncExitStack, settings: Settings, table: RouteTable, health: Health) -> Context:
    # First: a key that is wrong ends the process, whatever else is away.
    ring, revocations = KeyRing(KeyEncryption(SigningKey.load(settings.signing_key_file))), Revocations()
    issuer, client = _issuer(settings, ring, table.scopes, revocations)
    redis = await stack.enter_async_context(redis_clients.create_redis(settings))
    follower = await stack.enter_async_context(redis_clients.create_follower(settings))
    revocation_follower = await stack.enter_async_context(redis_clients.create_follower(settings))
    http = await stack.enter_async_context(create_upstream_session())
    status_http = await stack.enter_async_context(create_http_session())
    signing_keys = partial(_signing_keys, settings, ring, redis)
    sessions, users, passwords = SessionRepository(redis), UserRepository(), _passwords(settings)
    database = await _open_database(stack, settings, Bootstrap(users, passwords, sessions.end_all), signing_keys)
    await stack.enter_async_context(following_keys(signing_keys(database)))
    audit = AuditWriter(database)
    await stack.enter_async_context(audit.running())
    logins = UserAuthentication(database, users, passwords, all_scopes(settings.more_services))
    health.add("postgres", database.check, critical=False)
    health.wait_for(lambda: database.opened)
    health.add("signing_keys", ring.check, critical=False)
    health.add("redis", partial(redis_clients.check, redis), critical=False)
    service = SessionService(
        sessions,
        LoginLimiter(redis),
        audit,
        authenticate=logins.authenticate,
        load_user=logins.load_user,
        issue_token=issuer.issue_session_token,
        seconds=settings.session_seconds,
    )
    gate = SessionGate(redis, fail_open=settings.session_check == "allow")
    stack.push_async_callback(gate.close)
    oauth = await open_oauth(
        stack,
        _oauth_settings(settings, table.scopes),
        issuer=issuer,
        service=client,
        database=database,
        redis=redis,
        audit=audit,
        sessions=service,
        load_user=logins.load_user,
        is_active=gate.is_active,
        refresh_refused=InvalidRefreshTokenError,
    )
    return Context(
        audit=audit,
        audit_log=AuditService(database),
        session_gate=gate,
        revocations=revocations,
        revocation_feed=RevocationFeed(redis, revocation_follower, revocations),
        browsers=Browsers(
            redis,
            PublicAddress(settings.issuer, settings.more_hosts),
            issue=service.access_token,
            verifier=issuer.gateway_verifier,
            gate=gate,
        ),
        sessions=service,
        issuer=issuer,
        signing_keys=signing_keys(database),
        oauth=oauth,
        forwarder=Forwarder(http, issuer.issue_route_token),
        route_table=table,
        hub=Hub(redis, follower),
        origins=Origins.parse(settings.allowed_origins),
        status=StatusService(status_http, database, redis, health, table.addresses),
    )


async def _open_database(
    stack: AsyncExitStack,
    settings: Settings,
    bootstrap: Bootstrap,
    signing_keys: Callable[[Database], SigningKeyService],
) -> Database:
    password = read_secret(settings.admin_password_file, "NEXUS_ADMIN_PASSWORD_FILE")

    async def prepare(database: Database) -> None:
        await signing_keys(database).prepare()
        await bootstrap.ensure_admin(database, password)

    opening = open_database(settings, MIGRATIONS, workers=settings.workers, prepare=prepare)
    return await stack.enter_async_context(opening)


def _passwords(settings: Settings) -> Passwords:
    return Passwords(
        time_cost=settings.password_time_cost,
        memory_cost=settings.password_memory_kib,
        parallelism=settings.password_parallelism,
    )


def _signing_keys(settings: Settings, ring: KeyRing, redis: Redis, database: Database) -> SigningKeyService:
    return SigningKeyService(
        database,
        ring,
        AuditWriter(database),
        publish=partial(revoke_key, redis),
        period=timedelta(days=settings.key_rotation_days),
    )


def _issuer(
    settings: Settings, ring: KeyRing, scopes: Mapping[str, frozenset[str]], revocations: Revocations
) -> tuple[TokenIssuer, Client]:
    secret = read_secret(settings.client_secret_file, "NEXUS_CLIENT_SECRET_FILE")
    called = frozenset(scopes) - {settings.client_id}
    client = service_client(settings.client_id, secret, called)
    return TokenIssuer(ring, settings.issuer, scopes, revocations), client


def _oauth_settings(settings: Settings, scopes: Mapping[str, frozenset[str]]) -> OAuthSettings:
    return OAuthSettings(
        scopes=scopes,
        resources=settings.resource_audiences,
        registration=settings.client_registration == "on",
        documents=settings.client_documents,
        session_seconds=settings.session_seconds,
    )
