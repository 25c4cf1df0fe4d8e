"""Waiting for a connection of a pool in use: of PostgreSQL and of Redis alike."""

import asyncio
from typing import override

from nexus_chassis.errors import PoolExhaustedError
from nexus_chassis.pool_metrics import CONNECTIONS_USED
from nexus_chassis.store_errors import STORE_ERRORS


class Turns:
    """The right to use connections to `store`, `size` of them at a time."""

    def __init__(self, store: str, size: int) -> None:
        self._store = store
        self._size = size
        self._free = asyncio.Semaphore(size)

    async def take(self, seconds: float) -> None:
        """Take a place; raises PoolExhaustedError when none becomes free in `seconds`."""
        if self._free.locked():
            await self._wait(seconds)
        else:
            await self._free.acquire()  # does not wait

    def give_back(self) -> None:
        """Let another one take the place."""
        self._free.release()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            STORE_ERRORS.labels(self._store.lower(), "exhausted").inc()
            raise PoolExhaustedError(self._store, self._size, seconds) from None


class PoolTurns(Turns):
    """The places of a pool of connections, which are counted for Prometheus."""

    def __init__(self, store: str, size: int) -> None:
        super().__init__(store, size)
        self._used = CONNECTIONS_USED.labels(store.lower())

    @override
    async def take(self, seconds: float) -> None:
        await super().take(seconds)
        self._used.inc()

    @override
    def give_back(self) -> None:
        self._used.dec()
        super().give_back()
