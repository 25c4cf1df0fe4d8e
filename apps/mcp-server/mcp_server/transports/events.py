"""Server-sent events (HTML standard, section 9.2) as answers to HTTP requests."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.types import Send

KEEP_ALIVE_SECONDS = 15.0
"""How often a stream without events has a comment, so that no proxy takes it for dead."""

_SEND_SECONDS = 20.0
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An answer that begins with its first event."""

    def __init__(self, send: "Send") -> None:
        self._send = send
        self._keeping: asyncio.Task[None] | None = None

    @property
    def has_begun(self) -> bool:
        """Whether the head of the answer was sent."""
        return self._keeping is not None

    async def begin(self) -> None:
        """Send the head of the answer."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep_alive())
            await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})

    async def write(self, message: bytes) -> None:
        """Send an event; raises ClientDisconnect when the client reads nothing for 20 s."""
        await self.begin()
        await self._write(b"event: message\ndata: " + message + b"\n\n")

    async def end(self) -> None:
        """End the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def close(self) -> None:
        """Send nothing more."""
        if self._keeping is not None:
            self._keeping.cancel()

    async def _write(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._send({"type": "http.response.body", "body": data, "more_body": True})
        except TimeoutError:
            raise ClientDisconnect from None

    async def _keep_alive(self) -> None:
        with suppress(ClientDisconnect):
            while True:
                await asyncio.sleep(KEEP_ALIVE_SECONDS)
                await self._write(b":\n\n")
