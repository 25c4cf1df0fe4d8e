"""The gateway's application."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.middleware import Middleware

from nexus_chassis import redis as redis_clients
from nexus_chassis.app import build_app
from nexus_chassis.drain import Drain
from nexus_chassis.errors import DatabaseUnavailableError, RedisUnavailableError
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
from nexus_gateway.account import endpoints as account_endpoints
from nexus_gateway.account.service import Account
from nexus_gateway.audit import endpoints as audit_endpoints
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.audit.refusals import record_refusals
from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.browsers import Browsers
from nexus_gateway.auth.client_address import ProxyMiddleware, TrustedProxies
from nexus_gateway.auth.limit_rules import parse_limits
from nexus_gateway.auth.public_address import PublicAddress
from nexus_gateway.auth.session_gate import SessionGate
from nexus_gateway.context import Context
from nexus_gateway.events import endpoints as event_endpoints
from nexus_gateway.events.service import open_events
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
from nexus_gateway.oidc import endpoints as oidc_endpoints
from nexus_gateway.oidc.opening import open_external_logins
from nexus_gateway.oidc.providers import read_providers
from nexus_gateway.openapi import endpoints as openapi_endpoints
from nexus_gateway.openapi.merging import Document
from nexus_gateway.openapi.service import DocumentService
from nexus_gateway.pages import endpoints as page_endpoints
from nexus_gateway.problems import PROBLEMS
from nexus_gateway.proxy import endpoints as proxy_endpoints
from nexus_gateway.proxy.connections import create_upstream_session
from nexus_gateway.proxy.forwarder import Forwarder
from nexus_gateway.proxy.routes import RouteTable
from nexus_gateway.rate_limits.charges import Charges
from nexus_gateway.rate_limits.limiter import RateLimiter
from nexus_gateway.rate_limits.middleware import RateLimitMiddleware
from nexus_gateway.roles import endpoints as role_endpoints
from nexus_gateway.roles.repository import RoleRepository
from nexus_gateway.roles.service import RoleService
from nexus_gateway.sessions import endpoints as session_endpoints
from nexus_gateway.sessions.errors import InvalidRefreshTokenError
from nexus_gateway.sessions.login_limiter import LoginLimiter
from nexus_gateway.sessions.repository import SessionRepository
from nexus_gateway.sessions.service import SessionService
from nexus_gateway.settings import Settings
from nexus_gateway.status import endpoints as status_endpoints
from nexus_gateway.status.service import StatusService
from nexus_gateway.tenants import endpoints as tenant_endpoints
from nexus_gateway.tenants.repository import TenantRepository
from nexus_gateway.tenants.service import TenantService
from nexus_gateway.users import endpoints as user_endpoints
from nexus_gateway.users.authentication import UserAuthentication
from nexus_gateway.users.bootstrap import Bootstrap
from nexus_gateway.users.external_users import ExternalUsers
from nexus_gateway.users.password_service import PasswordService
from nexus_gateway.users.passwords import Passwords
from nexus_gateway.users.repository import UserRepository
from nexus_gateway.users.reset_tokens import ResetTokens
from nexus_gateway.users.service import UserService

MIGRATIONS = Path(__file__).parent.parent / "migrations"
LIMITS = Limits(running=1536, principal_running=1024)  # most of them wait for a service, with 64 KiB of body at most


def create_app() -> FastAPI:
    """The application with settings from the environment."""
    settings = load(Settings)
    table = RouteTable(settings)
    health = Health(settings.service_name, __version__)
    proxies = TrustedProxies.parse(settings.trusted_proxies, settings.proxy_header)
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
            openapi_endpoints.router,
            event_endpoints.router,
            tenant_endpoints.router,
            role_endpoints.router,
            audit_endpoints.router,
            page_endpoints.router,
            *oidc_endpoints.routers,
            *account_endpoints.routers,
        ],
        problems=PROBLEMS,
        limits=LIMITS,
        origins=Origins.parse(settings.allowed_origins),
        middleware=_middleware(proxies),
        trusts_peer=proxies.trusts,
        openapi_url=None,
    )
    record_refusals(app)
    return app


def _middleware(proxies: TrustedProxies) -> list[Middleware]:
    limits = Middleware(RateLimitMiddleware)
    return [Middleware(ProxyMiddleware, proxies=proxies), limits] if proxies else [limits]


async def _reload_routes(app: FastAPI) -> None:
    """Serve the routes as NEXUS_ROUTES_FILE has them now; raises ValueError, and changes nothing, where it is wrong."""
    table: RouteTable = app.state.context.route_table
    table.reload()
    proxy_endpoints.replace_routes(app, table.routes)


@asynccontextmanager
async def _lifespan(settings: Settings, table: RouteTable, health: Health, app: FastAPI) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        host = _Host(health, runtime_of(app).drain, app.openapi)
        context = await _open(stack, settings, table, host)
        await stack.enter_async_context(context.revocation_feed.running(host.drain))
        app.state.context = context
        runtime = runtime_of(app)
        runtime.verifier = context.issuer.gateway_verifier
        runtime.on_reload += [
            partial(context.signing_keys.reload, settings.signing_key_file),
            partial(_reload_routes, app),
        ]
        yield


class _Host(NamedTuple):
    """What the context takes from the application that serves it."""

    health: Health
    drain: Drain
    document: Callable[[], Document]


@asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[Context]:
    """What the application holds, without serving it: for the command line."""
    async with AsyncExitStack() as stack:
        host = _Host(Health(settings.service_name, __version__), Drain(), dict)
        yield await _open(stack, settings, RouteTable(settings), host)


async def _open(stack: AsyncExitStack, settings: Settings, table: RouteTable, host: _Host) -> Context:
    # First: a key or a file that is wrong ends the process, whatever else is away.
    providers = read_providers(settings.oidc_providers_file)
    ring, revocations = KeyRing(KeyEncryption(SigningKey.load(settings.signing_key_file))), Revocations()
    issuer, client = _issuer(settings, ring, table.scopes, revocations)
    redis = await stack.enter_async_context(redis_clients.create_redis(settings))
    follower = await stack.enter_async_context(redis_clients.create_follower(settings))
    revocation_follower = await stack.enter_async_context(redis_clients.create_follower(settings))
    http = await stack.enter_async_context(create_upstream_session())
    status_http = await stack.enter_async_context(create_http_session())
    signing_keys = partial(_signing_keys, settings, ring, redis)
    users, passwords = UserRepository(), _passwords(settings)
    sessions, limiter = SessionRepository(redis), LoginLimiter(redis, passwords.has_room_for_strangers)
    stack.push_async_callback(limiter.close)
    database = await _open_database(stack, settings, Bootstrap(users, passwords, sessions.end_all), signing_keys)
    await stack.enter_async_context(following_keys(signing_keys(database)))
    audit = AuditWriter(database)
    await stack.enter_async_context(audit.running())
    changes = ChangeLog(audit)
    logins = UserAuthentication(database, users, passwords, table.all_scopes)
    host.health.add("postgres", database.check, critical=False)
    host.health.wait_for(lambda: database.opened)
    host.health.add("signing_keys", ring.check, critical=False)
    host.health.add("redis", partial(redis_clients.check, redis), critical=False)
    service = SessionService(
        sessions,
        limiter,
        audit,
        authenticate=logins.authenticate,
        load_user=logins.load_user,
        issue_token=issuer.issue_session_token,
        seconds=settings.session_seconds,
    )
    own_passwords = PasswordService(
        database,
        users,
        passwords,
        ResetTokens(redis),
        changes,
        end_all=service.end_all,
        attempt=limiter.attempt,
        reset_url=f"{settings.issuer}/password-reset/",
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
        changes=changes,
        sessions=service,
        load_user=logins.load_user,
        is_active=gate.is_active,
        refresh_refused=InvalidRefreshTokenError,
    )
    rate_limiter = RateLimiter(Charges(parse_limits(settings.rate_limits)), gate.count)
    events = await stack.enter_async_context(
        open_events(
            redis,
            follower,
            drain=host.drain,
            origins=settings.event_origins,
            revocations=revocations,
            admit=rate_limiter.admit_message,
        )
    )
    external_logins = await open_external_logins(
        stack,
        providers,
        settings.issuer,
        database=database,
        redis=redis,
        audit=audit,
        users=ExternalUsers(users),
        load_user=logins.load_user,
        begin_session=service.begin,
    )
    return Context(
        audit=audit,
        audit_log=AuditService(database),
        session_gate=gate,
        rate_limiter=rate_limiter,
        tenants=TenantService(database, TenantRepository(), changes),
        roles=RoleService(
            database, RoleRepository(), changes, raise_epoch=service.raise_epoch, all_scopes=table.all_scopes
        ),
        users=UserService(
            database, users, passwords, changes, end_all=service.end_all, raise_epoch=service.raise_epoch
        ),
        passwords=own_passwords,
        logins=logins,
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
        external_logins=external_logins,
        issuer=issuer,
        signing_keys=signing_keys(database),
        oauth=oauth,
        forwarder=Forwarder(http, issuer.issue_route_token),
        route_table=table,
        events=events,
        status=StatusService(status_http, database, redis, host.health, table.addresses),
        document=DocumentService(status_http, host.document, settings.issuer, lambda: table.routes),
        account=Account(sessions=service, passwords=own_passwords, login_choices=external_logins.choices),
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
        try:
            await bootstrap.ensure_admin(database, password)
        except RedisUnavailableError as error:  # the sessions of a former password could not be ended: try again
            raise DatabaseUnavailableError(str(error)) from error

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
