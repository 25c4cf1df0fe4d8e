"""The gateway's application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.middleware import Middleware

from nexus_chassis.app import build_app
from nexus_chassis.health import Health
from nexus_chassis.limits import Limits
from nexus_chassis.origins import Origins
from nexus_chassis.runtime import runtime_of
from nexus_chassis.settings import load
from nexus_gateway import __version__
from nexus_gateway.account import endpoints as account_endpoints
from nexus_gateway.audit import endpoints as audit_endpoints
from nexus_gateway.audit.refusals import record_refusals
from nexus_gateway.auth.client_address import ProxyMiddleware, TrustedProxies
from nexus_gateway.events import endpoints as event_endpoints
from nexus_gateway.oauth import endpoints as oauth_endpoints
from nexus_gateway.oidc import endpoints as oidc_endpoints
from nexus_gateway.openapi import endpoints as openapi_endpoints
from nexus_gateway.opening import Host, open_context
from nexus_gateway.pages import endpoints as page_endpoints
from nexus_gateway.problems import PROBLEMS
from nexus_gateway.proxy import endpoints as proxy_endpoints
from nexus_gateway.proxy.routes import RouteTable
from nexus_gateway.rate_limits.middleware import RateLimitMiddleware
from nexus_gateway.roles import endpoints as role_endpoints
from nexus_gateway.sessions import endpoints as session_endpoints
from nexus_gateway.settings import Settings
from nexus_gateway.status import endpoints as status_endpoints
from nexus_gateway.tenants import endpoints as tenant_endpoints
from nexus_gateway.users import endpoints as user_endpoints

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
    runtime = runtime_of(app)
    host = Host(health, runtime.drain, app.openapi)
    async with open_context(settings, table, host) as context, context.revocation_feed.running(host.drain):
        app.state.context = context
        runtime.verifier = context.issuer.gateway_verifier
        runtime.on_reload += [
            partial(context.administration.signing_keys.reload, settings.signing_key_file),
            partial(_reload_routes, app),
        ]
        yield
