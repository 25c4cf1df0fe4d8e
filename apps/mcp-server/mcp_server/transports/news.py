"""The stream of a session: notifications that belong to no request."""

import time
from typing import TYPE_CHECKING, override

from fastapi import Request, Response

from mcp_server.context import Context
from mcp_server.notices import topics
from mcp_server.notices.listen import of_session
from mcp_server.notices.pending import Pending
from mcp_server.notices.service import Fields
from mcp_server.protocol.session import Session
from mcp_server.sessions.errors import SessionNotFoundError
from mcp_server.sessions.service import ENDED, topic_key
from mcp_server.transports.departure import Departure
from mcp_server.transports.events import EventStream
from nexus_chassis.admission import ticket_of
from nexus_chassis.background import in_background
from nexus_chassis.drain import Drain
from nexus_chassis.tokens import Principal

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_LOOK_SECONDS = 5.0  # how late the end of a session may be noticed where its notice was lost


class NewsStream(Response):
    """The answer to a GET. It ends with the client, the session, the token and the process."""

    def __init__(
        self, request: Request, context: Context, principal: Principal, session: Session, drain: Drain
    ) -> None:
        super().__init__()
        self._ticket = ticket_of(request)
        self._context = context
        self._principal = principal
        self._session = session
        self._key = topic_key(principal.subject, session.session_id)
        self._drain = drain
        self._pending = Pending(principal)

    @override
    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        stream = EventStream(send)
        try:
            with self._context.streams.lasting(self._principal.subject), Departure(receive):
                if self._ticket is not None:
                    self._ticket.close()  # it takes no place among the requests in flight
                await stream.begin()
                async with in_background(self._wake_at_drain()):
                    with self._context.revocations.watching(self._principal, self._pending.wake):
                        await self._send_news(stream)
                await stream.end()
        finally:
            stream.close()

    async def _send_news(self, stream: EventStream) -> None:
        with self._context.notices.listening(self._on_notice) as listening:
            while not self._is_over():
                try:
                    session = await self._context.sessions.find(self._principal.subject, self._session.session_id)
                except SessionNotFoundError:
                    return
                listening.follow([ENDED, *topics.LIST_CHANGED, *map(topics.resource, session.subscriptions)])
                for topic in await self._pending.take(_LOOK_SECONDS, self._principal.expires_at):
                    if (message := of_session(topic)) is not None:
                        await stream.write(message)

    def _on_notice(self, topic: str, fields: Fields) -> None:
        if topic != ENDED:
            self._pending.add(topic, fields)
        elif fields.get("key") == self._key:
            self._pending.wake()

    def _is_over(self) -> bool:
        ended = self._context.revocations.reason(self._principal) is not None
        return self._drain.started or ended or time.time() >= self._principal.expires_at

    async def _wake_at_drain(self) -> None:
        await self._drain.wait()
        self._pending.wake()
