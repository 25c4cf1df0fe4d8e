"""An open WebSocket connection: ends with the token, the session, the process, and whatever the peer does wrong."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import nullcontext, suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from nexus_chassis.principal import Principal
from nexus_chassis.revocations import Revocations
from nexus_chassis.runtime import runtime_of
from nexus_chassis.websocket_protocol import direct_writer, encode_text

UNSUPPORTED_DATA = 1003
RESTART = 1012
TOKEN_EXPIRED = 4401

_CLOSE_SECONDS = 5.0
_SEND_SECONDS = 20.0


class WebSocketSession:
    """An accepted connection of `principal`, which ends when `revocations` has its token; None: when the token expires."""

    def __init__(self, socket: WebSocket, principal: Principal, revocations: Revocations | None = None) -> None:
        self._socket = socket
        self._writer = direct_writer(socket)
        self._principal = principal
        self._revocations = revocations
        self._wake = asyncio.Event()

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

    def renew(self, principal: Principal) -> None:
        """Go on with a new token of the same subject."""
        self._principal = principal
        self._wake.set()

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
        """Send a frame, and wait until most of it is sent, so that whoever counts its memory does so until then.

        Raises WebSocketDisconnect when the peer has left or reads nothing for 20 s.
        """
        await self._drain()
        if not self._writer.is_open():
            raise WebSocketDisconnect(1006)
        self._writer.write(encode_text(text))
        await self._drain()

    async def _drain(self) -> None:
        if not self._writer.is_full():
            return
        try:
            async with asyncio.timeout(_SEND_SECONDS):
                await self._writer.drain()
        except TimeoutError:
            raise WebSocketDisconnect(1006) from None

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, also when the peer is leaving or reads nothing."""
        with suppress(WebSocketDisconnect, RuntimeError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code, reason)

    async def _watch_token(self) -> None:
        while (left := self._principal.expires_at - time.time()) > 0 and not self._has_ended():
            await self._wait_for_change(left)
        await self.close(TOKEN_EXPIRED, "The access token is no longer valid. Connect with a new one.")

    def _has_ended(self) -> bool:
        return self._revocations is not None and self._revocations.reason(self._principal) is not None

    async def _wait_for_change(self, seconds: float) -> None:
        """Until the token expires, may have been revoked, or is renewed."""
        self._wake.clear()
        watching = self._revocations.watching(self._principal, self._wake.set) if self._revocations else nullcontext()
        with watching, suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    async def _watch_drain(self) -> None:
        drain = runtime_of(self._socket).drain
        await drain.wait()
        await asyncio.sleep(drain.random_moment())
        await self.close(RESTART, "The service restarts. Connect again.")
