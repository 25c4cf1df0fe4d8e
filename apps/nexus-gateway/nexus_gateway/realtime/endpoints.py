"""Real time over WebSocket."""

from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket

from nexus_chassis.problems import Problem
from nexus_chassis.tokens import InvalidTokenError, Principal, TokenVerifier, bearer_token, unauthorized
from nexus_gateway.realtime.connection import Connection
from nexus_gateway.services import services_of

MARKER = "bearer"
"""The subprotocol that is agreed on when the token came as one."""

router = APIRouter()


@router.websocket("/v1/ws")
async def events(socket: WebSocket) -> None:
    """Events of channels; the frames are told in the README."""
    try:
        _require_own_origin(socket)
        principal = await _principal(socket)
    except Problem as problem:
        await socket.send_denial_response(problem.response())
        return
    await socket.accept(MARKER if MARKER in socket.scope["subprotocols"] else None)
    services = services_of(socket)
    await Connection(socket, principal, services.sessions, services.hub, socket.app.state.redis).serve()


async def _principal(socket: WebSocket) -> Principal:
    token = bearer_token(socket) or _subprotocol_token(socket)
    if token is None:
        raise unauthorized()
    verifier: TokenVerifier = socket.app.state.token_verifier
    try:
        principal = await verifier.verify(token)
    except InvalidTokenError as error:
        raise unauthorized(str(error)) from None
    await services_of(socket).sessions.require_alive(principal)
    return principal


def _subprotocol_token(socket: WebSocket) -> str | None:
    prefix = f"{MARKER}."
    return next((name.removeprefix(prefix) for name in socket.scope["subprotocols"] if name.startswith(prefix)), None)


def _require_own_origin(socket: WebSocket) -> None:
    """Browsers tell the page's origin; only pages of the gateway's own address may connect (RFC 6455 section 10.2)."""
    origin = socket.headers.get("origin")
    if origin is None:
        return
    own = {socket.headers.get("host"), urlsplit(socket.app.state.settings.issuer).netloc}
    if urlsplit(origin).netloc not in own:
        raise Problem(
            403,
            "foreign-origin",
            "This page may not connect",
            f"Found origin {origin}. Open the page from the gateway.",
        )
