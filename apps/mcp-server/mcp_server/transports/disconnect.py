"""Work that ends when the client of an HTTP request leaves."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from starlette.requests import ClientDisconnect, Request


async def run_while_connected[T](request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; the body of `request` has been read.

    Raises:
        ClientDisconnect: The client left; the work was cancelled.
    """
    task = asyncio.create_task(work)
    departure = asyncio.ensure_future(request.receive())  # after the body, the next event is the end of the connection
    try:
        await asyncio.wait({task, departure}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        departure.cancel()
        task.cancel()
        await asyncio.gather(task, departure, return_exceptions=True)
