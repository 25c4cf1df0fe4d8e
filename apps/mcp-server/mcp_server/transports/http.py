"""Streamable HTTP: a JSON-RPC message, or a batch of them, per POST, answered as JSON or as a stream of events.

The answer becomes a stream once something else than the response is to be sent. Clients of the handshake era may have a
session, which has a stream of its own by GET, and ends by DELETE.
"""

from fastapi import Request, Response

from mcp_server.context import get_context
from mcp_server.limits import MAX_MESSAGE_BYTES
from mcp_server.protocol import handshake, jsonrpc, stateless
from mcp_server.protocol.errors import RpcError
from mcp_server.transports.errors import EventsNotAcceptedError, JsonNotAcceptedError, SessionMissingError
from mcp_server.transports.exchange import Exchange
from mcp_server.transports.news import NewsStream
from mcp_server.transports.schemas import ANSWERS, EXCHANGE, SESSION, STREAM
from nexus_chassis.request_body import read_body, require_json
from nexus_chassis.routing import DirectRoute, Router
from nexus_chassis.runtime import runtime_of

SESSION_HEADER = "mcp-session-id"

router = Router(tags=["mcp"])

_BATCH_VERSIONS = frozenset({None, handshake.BATCH_REVISION})  # only clients of 2025-06-18 and later send the header
_ANYTHING = "*/*"
_JSON = frozenset({"application/json", "application/*", _ANYTHING})
_EVENTS = frozenset({"text/event-stream", "text/*", _ANYTHING})


async def exchange(request: Request) -> Response:
    """Receive one JSON-RPC message; answer a request, acknowledge a notification."""
    context = await get_context(request)
    principal = await context.authenticator.authenticate(request)
    accepted = _accepted(request)
    if not accepted & _JSON:
        raise JsonNotAcceptedError
    require_json(request)
    body = await read_body(request, MAX_MESSAGE_BYTES)
    version = request.headers.get(stateless.VERSION_HEADER)
    session_id = request.headers.get(SESSION_HEADER) if version not in stateless.REVISIONS else None
    session = None if session_id is None else await context.sessions.find(principal.subject, session_id)
    exchange = Exchange(request, context, principal, session, version, streams=bool(accepted & _EVENTS))
    try:
        message = jsonrpc.read(body, batches=version in _BATCH_VERSIONS)
    except RpcError as error:
        return exchange.failure(error.message_id, error, 400)
    return await exchange.respond(message)


async def read_news(request: Request) -> Response:
    """Send a session the notifications that belong to no request, until the client leaves or the session ends."""
    if request.method == "HEAD":
        return Response(status_code=405, headers={"Allow": "GET, POST, DELETE"})
    context = await get_context(request)
    principal = await context.authenticator.authenticate(request)
    session_id = _session_id(request)
    if not _accepted(request) & _EVENTS:
        raise EventsNotAcceptedError
    session = await context.sessions.find(principal.subject, session_id)
    return NewsStream(request, context, principal, session, runtime_of(request).drain)


async def end_session(request: Request) -> Response:
    """End a session."""
    context = await get_context(request)
    principal = await context.authenticator.authenticate(request)
    await context.sessions.end(principal.subject, _session_id(request))
    return Response(status_code=204)


def _accepted(request: Request) -> set[str]:
    return {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", _ANYTHING).split(",")}


def _session_id(request: Request) -> str:
    session_id = request.headers.get(SESSION_HEADER)
    if session_id is None:
        raise SessionMissingError
    return session_id


router.add_api_route(
    "/mcp", exchange, methods=["POST"], openapi_extra=EXCHANGE, responses=ANSWERS, route_class_override=DirectRoute
)
router.add_api_route(
    "/mcp", read_news, methods=["GET"], openapi_extra=SESSION, responses=STREAM, route_class_override=DirectRoute
)
router.add_api_route(
    "/mcp",
    end_session,
    methods=["DELETE"],
    status_code=204,
    openapi_extra=SESSION,
    response_class=Response,
    route_class_override=DirectRoute,
)
