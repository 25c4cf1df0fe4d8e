"""Makes what the gateway holds while it runs: the keys, then the stores, then the services of the features."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import aiohttp
from redis.asyncio import Redis

from nexus_chassis.drain import Drain
from nexus_chassis.errors import DatabaseUnavailableError, RedisUnavailableError
from nexus_chassis.health import Health
from nexus_chassis.http import create_http_session
from nexus_chassis.postgres import open_database
from nexus_chassis.redis import check as check_redis
from nexus_chassis.redis import create_follower, create_redis
from nexus_chassis.revocation_stream import RevocationFeed, revoke_key
from nexus_chassis.revocations import Revocations
from nexus_chassis.settings import read_secret
from nexus_chassis.unit_of_work import Database
from nexus_gateway.account.service import Account
from nexus_gateway.audit.changes import ChangeLog
from nexus_gateway.audit.service import AuditService
from nexus_gateway.audit.writer import AuditWriter
from nexus_gateway.auth.browsers import Browsers
from nexus_gateway.auth.limit_rules import parse_limits
from nexus_gateway.auth.public_address import PublicAddress
from nexus_gateway.auth.session_gate import SessionGate
from nexus_gateway.context import Administration, Context
from nexus_gateway.events.service import EventService, open_events
from nexus_gateway.oauth.clients import service_client
from nexus_gateway.oauth.issuer import TokenIssuer
from nexus_gateway.oauth.keys.encryption import KeyEncryption
from nexus_gateway.oauth.keys.follower import following_keys
from nexus_gateway.oauth.keys.ring import KeyRing
from nexus_gateway.oauth.keys.service import SigningKeyService
from nexus_gateway.oauth.keys.signing_key import SigningKey
from nexus_gateway.oauth.models import Client, IssuedToken
from nexus_gateway.oauth.opening import OAuth, OAuthSettings, administered_clients, open_oauth
from nexus_gateway.oidc.opening import open_external_logins
from nexus_gateway.oidc.providers import Provider, read_providers
from nexus_gateway.oidc.service import ExternalLogins
from nexus_gateway.openapi.merging import Document
from nexus_gateway.openapi.service import DocumentService
from nexus_gateway.proxy.connections import create_upstream_session
from nexus_gateway.proxy.forwarder import Forwarder
from nexus_gateway.proxy.routes import RouteTable
from nexus_gateway.rate_limits.charges import Charges
from nexus_gateway.rate_limits.limiter import RateLimiter
from nexus_gateway.roles.repository import RoleRepository
from nexus_gateway.roles.service import RoleService
from nexus_gateway.sessions.errors import InvalidRefreshTokenError
from nexus_gateway.sessions.login_limiter import LoginLimiter
from nexus_gateway.sessions.repository import SessionRepository
from nexus_gateway.sessions.service import SessionService
from nexus_gateway.settings import Settings
from nexus_gateway.status.service import StatusService
from nexus_gateway.tenants.repository import TenantRepository
from nexus_gateway.tenants.service import TenantService
from nexus_gateway.users.authentication import UserAuthentication
from nexus_gateway.users.bootstrap import Bootstrap
from nexus_gateway.users.external_users import ExternalUsers
from nexus_gateway.users.password_service import PasswordService
from nexus_gateway.users.passwords import Passwords
from nexus_gateway.users.repository import UserRepository
from nexus_gateway.users.reset_tokens import ResetTokens
from nexus_gateway.users.service import UserService

MIGRATIONS = Path(__file__).parent.parent / "migrations"


class Host(NamedTuple):
    """What the context takes from the application that serves it."""

    health: Health
    drain: Drain
    document: Callable[[], Document]


class _Signing(NamedTuple):
    """What signs and verifies access tokens, and the client of the settings."""

    ring: KeyRing
    revocations: Revocations
    issuer: TokenIssuer
    client: Client


class _Stores(NamedTuple):
    """Clients of Redis, of which each follower blocks its connection, and HTTP sessions."""

    redis: Redis
    follower: Redis
    revocation_follower: Redis
    http: aiohttp.ClientSession
    status_http: aiohttp.ClientSession


class _Accounts(NamedTuple):
    """Users and their sessions, as far as that needs no database yet."""

    users: UserRepository
    passwords: Passwords
    sessions: SessionRepository
    limiter: LoginLimiter


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    """What the services of the features stand on."""

    settings: Settings
    table: RouteTable
    signing: _Signing
    redis: Redis
    accounts: _Accounts
    database: Database
    audit: AuditWriter
    changes: ChangeLog
    signing_keys: SigningKeyService


class _SignIn(NamedTuple):
    """How users sign in and stay signed in."""

    logins: UserAuthentication
    sessions: SessionService[IssuedToken]
    passwords: PasswordService


@asynccontextmanager
async def open_context(settings: Settings, table: RouteTable, host: Host) -> AsyncIterator[Context]:
    """What the application holds while the block runs; raises ConfigurationError."""
    async with AsyncExitStack() as stack:
        # First: a key or a file that is wrong ends the process, whatever else is away.
        providers = read_providers(settings.oidc_providers_file)
        signing = _read_signing(settings, table.scopes)
        stores = await _open_stores(stack, settings)
        base = await _open_base(stack, settings, table, signing, stores.redis)
        await stack.enter_async_context(following_keys(base.signing_keys))
        await stack.enter_async_context(base.audit.running())
        _add_checks(host.health, base)
        sign_in = _sign_in(base)
        gate = _open_gate(stack, base)
        oauth = await _open_oauth(stack, base, sign_in, gate)
        limiter = RateLimiter(Charges(parse_limits(settings.rate_limits)), gate.count)
        events = await _open_events(stack, base, stores.follower, limiter, host.drain)
        external_logins = await _open_external_logins(stack, base, providers, sign_in)
        yield Context(
            audit=base.audit,
            session_gate=gate,
            rate_limiter=limiter,
            administration=_administration(base, sign_in),
            logins=sign_in.logins,
            revocations=signing.revocations,
            revocation_feed=RevocationFeed(stores.redis, stores.revocation_follower, signing.revocations),
            browsers=_browsers(base, sign_in, gate),
            sessions=sign_in.sessions,
            external_logins=external_logins,
            issuer=signing.issuer,
            oauth=oauth,
            forwarder=Forwarder(stores.http, signing.issuer.issue_route_token),
            route_table=table,
            events=events,
            status=StatusService(stores.status_http, base.database, stores.redis, host.health, table.addresses),
            document=DocumentService(stores.status_http, host.document, settings.issuer, lambda: table.routes),
            account=Account(
                sessions=sign_in.sessions, passwords=sign_in.passwords, login_choices=external_logins.choices
            ),
        )


@asynccontextmanager
async def open_administration(settings: Settings) -> AsyncIterator[Administration]:
    """What the command line needs, while the block runs: nothing serves, follows or rotates. Raises ConfigurationError."""
    table = RouteTable(settings)
    signing = _read_signing(settings, table.scopes)
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(create_redis(settings))
        base = await _open_base(stack, settings, table, signing, redis)
        await stack.enter_async_context(base.audit.running())
        yield _administration(base, _sign_in(base))


def _read_signing(settings: Settings, scopes: Mapping[str, frozenset[str]]) -> _Signing:
    ring, revocations = KeyRing(KeyEncryption(SigningKey.load(settings.signing_key_file))), Revocations()
    revocations.on_withdrawal(ring.withdraw)
    secret = read_secret(settings.client_secret_file, "NEXUS_CLIENT_SECRET_FILE")
    called = frozenset(scopes) - {settings.client_id}
    client = service_client(settings.client_id, secret, called)
    return _Signing(ring, revocations, TokenIssuer(ring, settings.issuer, scopes, revocations), client)


async def _open_stores(stack: AsyncExitStack, settings: Settings) -> _Stores:
    return _Stores(
        redis=await stack.enter_async_context(create_redis(settings)),
        follower=await stack.enter_async_context(create_follower(settings)),
        revocation_follower=await stack.enter_async_context(create_follower(settings)),
        http=await stack.enter_async_context(create_upstream_session()),
        status_http=await stack.enter_async_context(create_http_session()),
    )


async def _open_base(
    stack: AsyncExitStack, settings: Settings, table: RouteTable, signing: _Signing, redis: Redis
) -> _Base:
    accounts = _open_accounts(stack, settings, redis)
    signing_keys = partial(_signing_keys, settings, signing.ring, redis)
    database = await _open_database(stack, settings, accounts, signing_keys)
    audit = AuditWriter(database)
    return _Base(
        settings=settings,
        table=table,
        signing=signing,
        redis=redis,
        accounts=accounts,
        database=database,
        audit=audit,
        changes=ChangeLog(audit),
        signing_keys=signing_keys(database, audit),
    )


def _open_accounts(stack: AsyncExitStack, settings: Settings, redis: Redis) -> _Accounts:
    passwords = Passwords(
        time_cost=settings.password_time_cost,
        memory_cost=settings.password_memory_kib,
        parallelism=settings.password_parallelism,
    )
    limiter = LoginLimiter(redis, passwords.has_room_for_strangers)
    stack.push_async_callback(limiter.close)
    return _Accounts(UserRepository(), passwords, SessionRepository(redis), limiter)


async def _open_database(
    stack: AsyncExitStack,
    settings: Settings,
    accounts: _Accounts,
    signing_keys: Callable[[Database, AuditWriter], SigningKeyService],
) -> Database:
    bootstrap = Bootstrap(accounts.users, accounts.passwords, accounts.sessions.end_all)
    password = read_secret(settings.admin_password_file, "NEXUS_ADMIN_PASSWORD_FILE")

    async def prepare(database: Database) -> None:
        # With a writer of its own: the database is prepared before there is one to return.
        await signing_keys(database, AuditWriter(database)).prepare()
        try:
            await bootstrap.ensure_admin(database, password)
        except RedisUnavailableError as error:  # the sessions of a former password could not be ended: try again
            raise DatabaseUnavailableError(str(error)) from error

    opening = open_database(settings, MIGRATIONS, workers=settings.workers, prepare=prepare)
    return await stack.enter_async_context(opening)


def _signing_keys(
    settings: Settings, ring: KeyRing, redis: Redis, database: Database, audit: AuditWriter
) -> SigningKeyService:
    period = timedelta(days=settings.key_rotation_days)
    return SigningKeyService(database, ring, audit, publish=partial(revoke_key, redis), period=period)


def _add_checks(health: Health, base: _Base) -> None:
    health.add("postgres", base.database.check, critical=False)
    health.wait_for(lambda: base.database.opened)
    health.add("signing_keys", base.signing.ring.check, critical=False)
    health.add("redis", partial(check_redis, base.redis), critical=False)


def _sign_in(base: _Base) -> _SignIn:
    accounts = base.accounts
    logins = UserAuthentication(base.database, accounts.users, accounts.passwords, base.table.all_scopes)
    sessions = SessionService(
        accounts.sessions,
        accounts.limiter,
        base.audit,
        authenticate=logins.authenticate,
        load_user=logins.load_user,
        issue_token=base.signing.issuer.issue_session_token,
        seconds=base.settings.session_seconds,
    )
    passwords = PasswordService(
        base.database,
        accounts.users,
        accounts.passwords,
        ResetTokens(base.redis),
        base.changes,
        end_all=sessions.end_all,
        attempt=accounts.limiter.attempt,
        reset_url=f"{base.settings.issuer}/password-reset/",
    )
    return _SignIn(logins, sessions, passwords)


def _open_gate(stack: AsyncExitStack, base: _Base) -> SessionGate:
    gate = SessionGate(base.redis, fail_open=base.settings.session_check == "allow")
    stack.push_async_callback(gate.close)
    return gate


async def _open_oauth(stack: AsyncExitStack, base: _Base, sign_in: _SignIn, gate: SessionGate) -> OAuth:
    return await open_oauth(
        stack,
        _oauth_settings(base.settings, base.table.scopes),
        issuer=base.signing.issuer,
        service=base.signing.client,
        database=base.database,
        redis=base.redis,
        audit=base.audit,
        sessions=sign_in.sessions,
        load_user=sign_in.logins.load_user,
        is_active=gate.is_active,
        refresh_refused=InvalidRefreshTokenError,
    )


def _oauth_settings(settings: Settings, scopes: Mapping[str, frozenset[str]]) -> OAuthSettings:
    return OAuthSettings(
        scopes=scopes,
        resources=settings.resource_audiences,
        registration=settings.client_registration == "on",
        documents=settings.client_documents,
        session_seconds=settings.session_seconds,
    )


async def _open_events(
    stack: AsyncExitStack, base: _Base, follower: Redis, limiter: RateLimiter, drain: Drain
) -> EventService:
    opening = open_events(
        base.redis,
        follower,
        drain=drain,
        origins=base.settings.event_origins,
        revocations=base.signing.revocations,
        admit=limiter.admit_message,
    )
    return await stack.enter_async_context(opening)


async def _open_external_logins(
    stack: AsyncExitStack, base: _Base, providers: Iterable[Provider], sign_in: _SignIn
) -> ExternalLogins:
    return await open_external_logins(
        stack,
        providers,
        base.settings.issuer,
        database=base.database,
        redis=base.redis,
        audit=base.audit,
        users=ExternalUsers(base.accounts.users),
        load_user=sign_in.logins.load_user,
        begin_session=sign_in.sessions.begin,
    )


def _administration(base: _Base, sign_in: _SignIn) -> Administration:
    return Administration(
        audit_log=AuditService(base.database),
        tenants=TenantService(base.database, TenantRepository(), base.changes),
        roles=_roles(base, sign_in),
        users=_users(base, sign_in),
        passwords=sign_in.passwords,
        clients=administered_clients(
            base.signing.client, base.table.scopes, base.database, base.changes, sign_in.sessions.end_client
        ),
        signing_keys=base.signing_keys,
    )


def _roles(base: _Base, sign_in: _SignIn) -> RoleService:
    return RoleService(
        base.database,
        RoleRepository(),
        base.changes,
        raise_epoch=sign_in.sessions.raise_epoch,
        all_scopes=base.table.all_scopes,
    )


def _users(base: _Base, sign_in: _SignIn) -> UserService:
    return UserService(
        base.database,
        base.accounts.users,
        base.accounts.passwords,
        base.changes,
        end_all=sign_in.sessions.end_all,
        raise_epoch=sign_in.sessions.raise_epoch,
    )


def _browsers(base: _Base, sign_in: _SignIn, gate: SessionGate) -> Browsers:
    return Browsers(
        base.redis,
        PublicAddress(base.settings.issuer, base.settings.more_hosts),
        issue=sign_in.sessions.access_token,
        verifier=base.signing.issuer.gateway_verifier,
        gate=gate,
    )
