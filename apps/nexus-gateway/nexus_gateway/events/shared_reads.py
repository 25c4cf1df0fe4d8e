"""Reads that several callers share: a thousand clients that come back at once ask Redis the same."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable


class SharedReads[K: Hashable, V]:
    """Calls `read` for a key once for all who ask before the call begins.

    Who asks later waits for a call of their own, as the one that runs may not have seen what happened since.
    """

    def __init__(self, read: Callable[[K], Awaitable[V]]) -> None:
        self._read = read
        self._waiting: dict[K, asyncio.Task[V]] = {}
        self._running: dict[K, asyncio.Task[V]] = {}

    async def read(self, key: K) -> V:
        """What `read` returns or raises for the key, called after this was."""
        task = self._waiting.get(key)
        if task is None:
            task = self._waiting[key] = asyncio.create_task(self._run(key, self._running.get(key)))
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _run(self, key: K, before: asyncio.Task[V] | None) -> V:
        if before is not None:
            await asyncio.wait({before})
        task = self._running[key] = self._waiting.pop(key)
        try:
            return await self._read(key)
        finally:
            if self._running.get(key) is task:
                del self._running[key]


def _retrieve(task: asyncio.Task[object]) -> None:
    """All who asked may have left: then nobody looks at the error."""
    if not task.cancelled():
        task.exception()
