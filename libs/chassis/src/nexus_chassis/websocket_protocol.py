"""WebSocket connections that can also be written to directly: no task, no copy, one encoding for thousands of clients."""

from typing import Any, Protocol, cast, override

from starlette.requests import HTTPConnection
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

_KEY = "nexus.websocket"


def encode_text(text: str) -> bytes:
    """The bytes of a text frame (RFC 6455), as a server sends it to any client."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class DirectWriter(Protocol):
    """What an accepted connection can be written to with; nothing of it waits."""

    def write(self, frame: bytes) -> int:
        """Send a frame of `encode_text`; returns how many bytes wait to be sent."""

    def is_open(self) -> bool:
        """Whether nobody has begun to close."""

    def is_full(self) -> bool:
        """Whether many bytes wait to be sent, for which `drain` waits."""

    def end(self, code: int, reason: str) -> None:
        """Begin to close; after some seconds the connection is cut, whatever the peer does."""

    async def drain(self) -> None:
        """Wait until few bytes wait to be sent, or the peer is gone."""

    def forget_handshake(self) -> None:
        """Free the memory of the handshake, once the connection is accepted; its headers are gone then."""


def direct_writer(connection: HTTPConnection) -> DirectWriter:
    """The writer of a WebSocket connection that the service's own server accepted."""
    return cast("DirectWriter", connection.scope[_KEY])


class DirectProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with a DirectWriter."""

    close_seconds = 5.0
    """From the beginning of a close to its end, whatever the peer does."""

    @override
    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        scope: dict[str, Any] | None = vars(self).get("scope")  # None for a handshake that was refused
        if scope is not None:
            scope[_KEY] = self

    def write(self, frame: bytes) -> int:
        """Send a frame; returns how many bytes wait to be sent."""
        if not self.is_open():
            return 0
        self.transport.write(frame)
        return self.transport.get_write_buffer_size()

    def end(self, code: int, reason: str) -> None:
        """Begin to close."""
        if not self.is_open():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(self.close_seconds, self.transport.abort)

    async def drain(self) -> None:
        """Wait until few bytes wait to be sent, or the peer is gone."""
        await self.writable.wait()

    def forget_handshake(self) -> None:
        """Free the memory of the handshake."""
        self.request.headers.clear()  # the parser keeps the request itself
        del self.request, self.response
        cast("list[Any]", self.scope["headers"]).clear()

    def is_open(self) -> bool:
        """Whether nobody has begun to close."""
        ends = self.close_sent or self.disconnected or self.transport.is_closing()
        return not ends and self.conn.state is State.OPEN

    def is_full(self) -> bool:
        """Whether many bytes wait to be sent."""
        return not self.writable.is_set()
