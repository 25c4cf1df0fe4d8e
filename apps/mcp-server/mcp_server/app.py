"""The application: tools, reached by MCP over HTTP and WebSocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI

from mcp_server import __version__
from mcp_server.discovery import endpoints as discovery_endpoints
from mcp_server.discovery.service import resource_metadata
from mcp_server.protocol.methods import Methods
from mcp_server.settings import Settings
from mcp_server.tools import endpoints as tool_endpoints
from mcp_server.tools.classification import classification_tools
from mcp_server.tools.products import product_tools
from mcp_server.tools.registry import Toolbox
from mcp_server.transports import http, websocket
from mcp_server.transports.admission import SCOPE
from mcp_server.upstream.exchange import TokenExchange
from mcp_server.upstream.service import Upstream
from nexus_chassis.app import Lifespan, build_app
from nexus_chassis.health import Health
from nexus_chassis.http import create_http_session
from nexus_chassis.settings import load, read_secret
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
        routers=[http.router, websocket.router, tool_endpoints.router, discovery_endpoints.router],
    )
    app.state.token_verifier = TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url)
    return app


def _lifespan(settings: Settings, health: Health) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with create_http_session() as session:
            classification, dataflow, gateway = _upstreams(settings, session)
            for upstream in (classification, dataflow, gateway):
                health.add(upstream.name, upstream.check, critical=False)
            _equip(app, settings, classification, dataflow)
            yield

    return lifespan


def _upstreams(settings: Settings, session: aiohttp.ClientSession) -> tuple[Upstream, Upstream, Upstream]:
    secret = read_secret(settings.client_secret_file, "NEXUS_CLIENT_SECRET_FILE")
    tokens = TokenExchange(session, settings.gateway_url, settings.client_id, secret)
    return (
        Upstream("classification-service", settings.classification_url, "classify", session, tokens),
        Upstream("dataflow-service", settings.dataflow_url, "data:read", session, tokens),
        Upstream("nexus-gateway", settings.gateway_url, SCOPE, session, tokens),
    )


def _equip(app: FastAPI, settings: Settings, classification: Upstream, dataflow: Upstream) -> None:
    tools = [*classification_tools(classification), *product_tools(dataflow)]
    scopes = sorted({SCOPE, *(scope for tool in tools for scope in tool.scopes)})
    app.state.toolbox = Toolbox(tools)
    app.state.methods = Methods(app.state.toolbox, __version__)
    app.state.resource_metadata = resource_metadata(settings, scopes)
