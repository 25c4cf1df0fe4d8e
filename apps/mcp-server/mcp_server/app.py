"""The application: tools, reached by MCP over HTTP and WebSocket. Everything is wired here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI

from mcp_server import __version__
from mcp_server.context import Context
from mcp_server.discovery import endpoints as discovery_endpoints
from mcp_server.discovery.service import ResourceMetadata
from mcp_server.dispatch.router import MethodRouter
from mcp_server.limits import LIMITS
from mcp_server.problems import PROBLEMS
from mcp_server.settings import Settings
from mcp_server.tools import endpoints as tool_endpoints
from mcp_server.tools.builtin.classification import classification_tools
from mcp_server.tools.builtin.products import product_tools
from mcp_server.tools.handlers import ToolHandlers
from mcp_server.tools.registry import ToolRegistry
from mcp_server.tools.service import ToolService
from mcp_server.transports import http, websocket
from mcp_server.transports.auth import SCOPE, Authenticator
from mcp_server.upstream.client import Upstream
from mcp_server.upstream.token_exchange import TokenExchange
from nexus_chassis.app import Lifespan, build_app
from nexus_chassis.health import Health
from nexus_chassis.http import create_http_session
from nexus_chassis.origins import Origins
from nexus_chassis.revocations import Revocations, follow_revocations
from nexus_chassis.settings import load, read_secret
from nexus_chassis.tokens import TokenVerifier

# Longest calls of the services; those of the last two agree with the gateway's routes.
GATEWAY_SECONDS = 5.0
CLASSIFICATION_SECONDS = 120.0
DATAFLOW_SECONDS = 30.0

_INSTRUCTIONS = (
    "Tools over this company's product data. classify_products returns UNSPSC or ETIM codes with confidence; "
    "list_products and get_product read the stored products."
)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the application; without `settings` they are read from the environment."""
    settings = settings or load(Settings)
    health = Health(settings.service_name, __version__)
    revocations = Revocations()
    verifier = TokenVerifier(settings.issuer, settings.service_name, settings.jwks_url, revocations=revocations)
    return build_app(
        settings,
        version=__version__,
        lifespan=_lifespan(settings, health, verifier, revocations),
        health=health,
        routers=[http.router, websocket.router, tool_endpoints.router, discovery_endpoints.router],
        problems=PROBLEMS,
        limits=LIMITS,
        origins=Origins.parse(settings.allowed_origins),
        verifier=verifier,
    )


def _lifespan(settings: Settings, health: Health, verifier: TokenVerifier, revocations: Revocations) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with create_http_session() as session, follow_revocations(settings.revocations_url, revocations):
            gateway, classification, dataflow = upstreams(settings, session)
            for upstream in (classification, dataflow, gateway):
                health.add(upstream.name, upstream.check, critical=False)
            app.state.context = _context(settings, verifier, revocations, classification, dataflow)
            yield

    return lifespan


def upstreams(settings: Settings, session: aiohttp.ClientSession) -> tuple[Upstream, Upstream, Upstream]:
    """Return the gateway, classification-service and dataflow-service."""
    secret = read_secret(settings.client_secret_file, "NEXUS_CLIENT_SECRET_FILE")
    tokens = TokenExchange(session, settings.gateway_url, settings.client_id, secret)
    return (
        Upstream("nexus-gateway", settings.gateway_url, SCOPE, session, tokens, GATEWAY_SECONDS),
        Upstream(
            "classification-service", settings.classification_url, "classify", session, tokens, CLASSIFICATION_SECONDS
        ),
        Upstream("dataflow-service", settings.dataflow_url, "data:read", session, tokens, DATAFLOW_SECONDS),
    )


def _context(
    settings: Settings,
    verifier: TokenVerifier,
    revocations: Revocations,
    classification: Upstream,
    dataflow: Upstream,
) -> Context:
    registry = ToolRegistry([*classification_tools(classification), *product_tools(dataflow)])
    tools = ToolService(registry)
    metadata = ResourceMetadata(settings.public_url, settings.issuer, {SCOPE, *registry.scopes})
    return Context(
        authenticator=Authenticator(verifier, Origins.parse(settings.allowed_origins), metadata.address),
        metadata=metadata,
        methods=_methods(ToolHandlers(tools)),
        revocations=revocations,
        tools=tools,
    )


def _methods(tools: ToolHandlers) -> MethodRouter:
    return MethodRouter(
        {"tools/list": tools.list_tools, "tools/call": tools.call_tool},
        version=__version__,
        capabilities={"tools": {}},
        instructions=_INSTRUCTIONS,
    )
