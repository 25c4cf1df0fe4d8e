"""Real time: over WebSocket, as an event stream over HTTP, and by single requests."""

from functools import partial
from typing import Annotated

from fastapi import Header, Query, Request, Response, WebSocket
from starlette.routing import WebSocketRoute

from nexus_chassis.problems import problem_of
from nexus_chassis.routing import Router
from nexus_gateway.auth.dependencies import CurrentPrincipal, authenticate_token
from nexus_gateway.context import get_context
from nexus_gateway.events.channels import authorize_subscriber
from nexus_gateway.events.connection import WebSocketConnection
from nexus_gateway.events.dependencies import MARKER, Events, Reader, authenticate_socket
from nexus_gateway.events.schemas import Message, Published, Subscribers, Ticket
from nexus_gateway.events.stream import (
    MAX_CHANNELS,
    STREAM_HEADERS,
    STREAM_TYPE,
    EventStream,
    StreamResponse,
    parse_event_id,
)
from nexus_gateway.events.tickets import TICKET_SECONDS

router = Router(tags=["events"])


async def connect(socket: WebSocket) -> None:
    """Events of channels; the frames are described in the README."""
    context = await get_context(socket)
    try:
        principal = await authenticate_socket(socket, context)
        counted = context.events.connections.websocket(principal)
    except Exception as error:
        if (problem := problem_of(socket.app, error)) is None:
            raise
        await socket.send_denial_response(problem.response())
        return
    with counted:
        await socket.accept(MARKER if MARKER in socket.scope["subprotocols"] else None)
        authenticate = partial(authenticate_token, context)
        problems = partial(problem_of, socket.app)
        await WebSocketConnection(socket, principal, context.events, authenticate, problems).serve()


# Not by the decorator: FastAPI would keep what it resolves of a route in memory as long as the connection is open.
router.routes.append(WebSocketRoute("/v1/ws", connect))


@router.get("/v1/events", status_code=200, summary="Events of channels as a stream", response_class=StreamResponse)
async def stream(
    request: Request,
    reader: Reader,
    events: Events,
    channel: Annotated[list[str], Query(min_length=1, max_length=MAX_CHANNELS)],
    last_event_id: Annotated[str, Header(max_length=4096)] = "",
) -> Response:
    """The events of one or more channels (`text/event-stream`), and with Last-Event-ID what was missed since.

    Each event's data is a frame of the WebSocket protocol.
    """
    channels = [await authorize_subscriber(name, reader) for name in dict.fromkeys(channel)]
    places = parse_event_id(last_event_id)
    await events.admit(reader)
    if request.method == "HEAD":
        return Response(headers=STREAM_HEADERS, media_type=STREAM_TYPE)
    counted = events.connections.stream(reader)
    body = EventStream(events, reader, channels, places, partial(problem_of, request.app)).body()
    return StreamResponse(body, counted)


@router.post("/v1/ws/tickets", status_code=201, summary="A ticket to connect with")
async def issue_ticket(principal: CurrentPrincipal, events: Events, response: Response) -> Ticket:
    """A ticket that opens one WebSocket or event stream, once, within 30 seconds, as the query parameter `ticket`."""
    response.headers["Cache-Control"] = "no-store"
    return Ticket(ticket=await events.tickets.issue(principal), expires_in=TICKET_SECONDS)


@router.post("/v1/channels/{name}/messages", status_code=201, summary="Publish to a channel")
async def publish(name: str, message: Message, principal: CurrentPrincipal, events: Events) -> Published:
    """Publish a message to the subscribers of a channel; returns its place there."""
    channel, place = await events.publish(principal, name, message.data)
    return Published(channel=str(channel), epoch=place.epoch, offset=place.offset)


@router.get("/v1/channels/{name}/presence", summary="The number of a channel's subscribers")
async def presence(name: str, principal: CurrentPrincipal, events: Events) -> Subscribers:
    """How many subscribers a channel has now, at all replicas; for those who may subscribe themselves."""
    return Subscribers(channel=name, subscribers=await events.count_subscribers(principal, name))
