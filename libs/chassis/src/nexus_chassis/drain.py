"""The time between SIGTERM and the end: the process still serves while load balancers stop sending to it."""

import asyncio


class Drain:
    """Whether the process is about to end. Readiness is refused, connections are told to close, WebSockets to reconnect."""

    def __init__(self) -> None:
        self._started = asyncio.Event()

    @property
    def started(self) -> bool:
        """Whether SIGTERM was received."""
        return self._started.is_set()

    def start(self) -> None:
        """Begin to drain; called in the event loop."""
        self._started.set()

    async def wait(self) -> None:
        """Return once draining begins."""
        await self._started.wait()
