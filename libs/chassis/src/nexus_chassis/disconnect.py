"""Work that ends when the client that asked for it leaves."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request


async def cancel_on_disconnect[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; cancels it and raises ClientDisconnect when the client leaves first.

    The body of the request must have been read.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientDisconnect
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.wait({working, watching})


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
