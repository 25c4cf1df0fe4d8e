"""An open WebSocket connection: ends with the token, the session, the process, and whatever the peer does wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from nexus_chassis.runtime import runtime_of
from nexus_chassis.tokens import Principal

UNSUPPORTED_DATA = 1003
RESTART = 1012
TOKEN_EXPIRED = 4401

_CHECK_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_SEND_SECONDS = 20.0

type IsValid = Callable[[Principal], Awaitable[bool]]


class WebSocketSession:
    """An accepted connection of `principal`.

    `is_valid` is asked every second whether the principal's session still lasts; None: only the token's end counts.
    """

    def __init__(self, socket: WebSocket, principal: Principal, is_valid: IsValid | None = None) -> None:
        self._socket = socket
        self._principal = principal
        self._is_valid = is_valid

    async def run(self, *parts: Coroutine[Any, Any, None]) -> None:
        """Run `parts`, which serve the connection, until one of them ends, the token ends, or the process drains."""
        watches = (self._watch_token(), self._watch_drain())
        tasks = [asyncio.create_task(part) for part in (*parts, *watches)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            with suppress(WebSocketDisconnect, asyncio.CancelledError):
                task.result()

    async def messages(self) -> AsyncIterator[str]:
        """The text frames; ends with the connection. A binary frame ends it with 1003."""
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            text: str | None = frame.get("text")
            if text is None:
                await self.close(UNSUPPORTED_DATA, "Messages are text frames.")
                return
            yield text

    async def send_text(self, text: str) -> None:
        """Send a frame; raises WebSocketDisconnect when the peer has left or reads nothing for 20 s."""
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._socket.send_text(text)
        except (TimeoutError, RuntimeError):
            raise WebSocketDisconnect(1006) from None

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, also when the peer is leaving or reads nothing."""
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code, reason)

    async def _watch_token(self) -> None:
        while (left := self._principal.expires_at - time.time()) > 0:
            await asyncio.sleep(min(left, _CHECK_SECONDS) if self._is_valid else left)
            if self._is_valid is not None and not await self._is_valid(self._principal):
                break
        await self.close(TOKEN_EXPIRED, "The access token is no longer valid. Connect with a new one.")

    async def _watch_drain(self) -> None:
        drain = runtime_of(self._socket).drain
        await drain.wait()
        await asyncio.sleep(drain.random_moment())
        await self.close(RESTART, "The service restarts. Connect again.")
