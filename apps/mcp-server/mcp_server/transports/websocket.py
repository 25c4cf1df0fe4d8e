"""WebSocket with the subprotocol `mcp`: JSON-RPC messages in text frames, in both directions, both eras."""

from fastapi import WebSocket

from mcp_server.context import get_context
from mcp_server.metrics import CONNECTIONS
from mcp_server.transports.connection import Connection
from mcp_server.transports.errors import HostNotAllowedError, SubprotocolMissingError
from nexus_chassis.problems import Problem, problem_of
from nexus_chassis.routing import Router
from nexus_chassis.runtime import runtime_of
from nexus_chassis.websocket_protocol import direct_writer
from nexus_chassis.websocket_session import WebSocketSession

SUBPROTOCOL = "mcp"

router = Router()


@router.websocket("/mcp")
async def connect(socket: WebSocket) -> None:
    """Serve one connection."""
    context = await get_context(socket)
    try:
        principal = await context.authenticator.authenticate(socket)
        _require_subprotocol(socket)
    except (Problem, HostNotAllowedError, SubprotocolMissingError) as error:
        if (problem := problem_of(socket.app, error)) is None:
            raise
        await socket.send_denial_response(problem.response())
        return
    await socket.accept(SUBPROTOCOL)
    direct_writer(socket).forget_handshake()
    session = WebSocketSession(socket, principal, context.revocations)
    connection = Connection(session, principal, context, runtime_of(socket).admission)
    with CONNECTIONS.labels("websocket").track_inprogress():
        await session.run(connection.serve())


def _require_subprotocol(socket: WebSocket) -> None:
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        raise SubprotocolMissingError(SUBPROTOCOL)
