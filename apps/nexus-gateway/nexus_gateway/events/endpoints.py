"""Real time over WebSocket."""

from functools import partial

from fastapi import WebSocket

from nexus_chassis.problems import problem_of
from nexus_chassis.routing import Router
from nexus_chassis.tokens import Principal, bearer_token
from nexus_chassis.websocket_session import WebSocketSession
from nexus_gateway.auth.dependencies import authenticate_token
from nexus_gateway.context import Context, get_context
from nexus_gateway.events.connection import Connection

MARKER = "bearer"
"""The subprotocol that is agreed on when the token came as one."""

router = Router()


@router.websocket("/v1/ws")
async def events(socket: WebSocket) -> None:
    """Events of channels; the frames are described in the README."""
    context = await get_context(socket)
    try:
        principal = await _admit(socket, context)
    except Exception as error:
        if (problem := problem_of(socket.app, error)) is None:
            raise
        await socket.send_denial_response(problem.response())
        return
    await socket.accept(MARKER if MARKER in socket.scope["subprotocols"] else None)
    session = WebSocketSession(socket, principal, context.revocations)
    await Connection(session, principal, context.hub, partial(problem_of, socket.app)).serve()


async def _admit(socket: WebSocket, context: Context) -> Principal:
    context.origins.require(socket)
    return await authenticate_token(context, bearer_token(socket) or _subprotocol_token(socket))


def _subprotocol_token(socket: WebSocket) -> str | None:
    prefix = f"{MARKER}."
    return next((name.removeprefix(prefix) for name in socket.scope["subprotocols"] if name.startswith(prefix)), None)
