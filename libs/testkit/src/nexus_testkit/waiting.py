"""Waiting for what makes no event."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float) -> None:
    """Wait until `holds` says so; raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not (await found if isawaitable(found := holds()) else found):  # noqa: ASYNC110  there is no event
            await asyncio.sleep(0.02)
