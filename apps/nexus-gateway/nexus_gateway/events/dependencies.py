"""What the endpoints of events depend on."""

from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Query
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from nexus_chassis.tokens import Principal, bearer_token
from nexus_gateway.auth.dependencies import authenticate_token, get_current_principal
from nexus_gateway.context import Context, get_context
from nexus_gateway.events.errors import UnknownParameterError
from nexus_gateway.events.service import EventService

MARKER = "bearer"
"""The subprotocol that is agreed on when the token came as one."""


async def get_event_service(connection: HTTPConnection) -> EventService:
    """The application's event service."""
    return (await get_context(connection)).events


async def get_reader(
    connection: HTTPConnection, ticket: Annotated[str | None, Query(max_length=64)] = None
) -> Principal:
    """Who reads events: by a ticket in the address, else as anywhere."""
    if ticket is None:
        return await get_current_principal(connection)
    return await _redeem(await get_context(connection), ticket)


async def authenticate_socket(socket: WebSocket, context: Context) -> Principal:
    """Who opens a WebSocket: by Authorization header, subprotocol, ticket, or the cookie of a page of the gateway's own.

    Raises Problem 401 or 403, UnknownParameterError, InvalidTicketError, SessionEndedError or RedisUnavailableError.
    """
    context.events.origins.require(socket)
    ticket = _ticket_parameter(socket)
    token = bearer_token(socket) or _subprotocol_token(socket)
    if token is None and ticket is not None:
        return await _redeem(context, ticket)
    if token is None and (principal := await _by_cookie(socket, context)) is not None:
        return principal
    return await authenticate_token(context, token)


async def _by_cookie(socket: WebSocket, context: Context) -> Principal | None:
    """A WebSocket can write, so the cookie alone is not enough: the browser must say that an own page opens it."""
    if context.browsers.cookie_of(socket) is None or "origin" not in socket.headers:
        return None
    context.browsers.address.require_same_origin(socket)
    access = await context.browsers.access(socket)
    return None if access is None else access.principal


async def _redeem(context: Context, ticket: str) -> Principal:
    principal = await context.events.tickets.redeem(ticket)
    await context.session_gate.check(principal)
    return principal


def _ticket_parameter(socket: WebSocket) -> str | None:
    """A token in an address would be in the logs of every proxy on the way: no other parameter is taken."""
    parameters = parse_qsl(socket.scope["query_string"].decode("latin-1"), keep_blank_values=True)
    names = [name for name, _ in parameters]
    if names not in ([], ["ticket"]):
        raise UnknownParameterError(names)
    return parameters[0][1] if parameters else None


def _subprotocol_token(socket: WebSocket) -> str | None:
    prefix = f"{MARKER}."
    return next((name.removeprefix(prefix) for name in socket.scope["subprotocols"] if name.startswith(prefix)), None)


Events = Annotated[EventService, Depends(get_event_service)]
Reader = Annotated[Principal, Depends(get_reader)]
