"""Asks once a second which sessions of open connections have ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Self

from nexus_chassis.tokens import Principal

_CHECK_SECONDS = 1.0


class PolledRevocations:
    """What has ended of what is watched."""

    def __init__(self, may_stay: Callable[[Principal], Awaitable[bool]]) -> None:
        self._may_stay = may_stay
        self._watches: dict[Principal, set[Callable[[], None]]] = {}
        self._ended: set[Principal] = set()

    def reason(self, principal: Principal) -> str | None:
        """Why the principal's token has ended."""
        return "its session was ended" if principal in self._ended else None

    @contextmanager
    def watching(self, principal: Principal, wake: Callable[[], None]) -> Iterator[None]:
        """While the block runs, call `wake` when the principal's token has ended."""
        self._watches.setdefault(principal, set()).add(wake)
        try:
            yield
        finally:
            self._watches[principal].discard(wake)
            if not self._watches[principal]:
                del self._watches[principal]
                self._ended.discard(principal)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Ask while the block runs."""
        task = asyncio.create_task(self._poll())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            for principal in list(self._watches):
                if not await self._may_stay(principal):
                    self._ended.add(principal)
                    for wake in list(self._watches.get(principal, ())):
                        wake()
