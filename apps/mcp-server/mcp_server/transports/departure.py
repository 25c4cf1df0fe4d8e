"""Work for an HTTP request that ends when the client leaves."""

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

if TYPE_CHECKING:
    from starlette.types import Receive

WATCH_AFTER_SECONDS = 0.005
"""Work that is done before is not watched: a task to do that costs more than most requests."""


class Departure:
    """Context manager: cancels the work in it when the client leaves, and then raises ClientDisconnect.

    The body of the request must have been read.
    """

    def __init__(self, receive: "Receive") -> None:
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None
        self._left = False

    def __enter__(self) -> None:
        self._work = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER_SECONDS, self._start)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if (
            self._left
            and self._work is not None
            and self._work.uncancel() == 0
            and isinstance(error, asyncio.CancelledError)
        ):
            raise ClientDisconnect from None

    def _start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        if self._work is not None:
            self._work.cancel()
