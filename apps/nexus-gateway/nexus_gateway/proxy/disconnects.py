"""Ends work for clients that have left."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING, Self

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.types import Receive

_PATIENCE_SECONDS = 0.2  # most answers come sooner, and a task for each of them would cost more than it saves


class UntilDisconnect:
    """Context manager that cancels its block when the client leaves, and raises ClientDisconnect.

    After `seconds`, where given, it cancels the block too, and raises TimeoutError. `received` is set once the request's body was received: before that, whoever reads it notices that the client leaves.
    """

    __slots__ = ("_left", "_receive", "_received", "_start", "_timeout", "_watch")

    def __init__(self, receive: "Receive", received: asyncio.Event | None, seconds: float | None) -> None:
        self._receive = receive
        self._received = received
        self._left = False
        self._watch: asyncio.Task[None] | None = None
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._start = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._begin)
        return self

    def _begin(self) -> None:
        self._watch = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        if self._received is not None:
            await self._received.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._timeout.reschedule(asyncio.get_running_loop().time())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._start.cancel()
        if self._watch is not None:
            self._watch.cancel()
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError:
            if self._left:
                raise ClientDisconnect from None
            raise
