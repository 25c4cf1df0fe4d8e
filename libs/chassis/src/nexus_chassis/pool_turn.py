"""Waiting for a connection of a pool in use: of PostgreSQL and of Redis alike."""

import asyncio

from nexus_chassis.errors import PoolExhaustedError
from nexus_chassis.store_errors import STORE_ERRORS


async def take_turn(free: asyncio.Semaphore, store: str, size: int, seconds: float) -> None:
    """Take one of the `size` places of `free`; raises PoolExhaustedError when none becomes free in `seconds`."""
    if not free.locked():
        await free.acquire()  # does not wait
        return
    try:
        async with asyncio.timeout(seconds):
            await free.acquire()
    except TimeoutError:
        STORE_ERRORS.labels(store.lower(), "exhausted").inc()
        raise PoolExhaustedError(store, size, seconds) from None
