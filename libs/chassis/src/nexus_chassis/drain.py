"""The time between SIGTERM and the end: the process still serves while load balancers stop sending to it."""

import asyncio
import random

_SPREAD = 0.8  # of the seconds, so that the last ones are told before serving ends


class Drain:
    """Whether the process is about to end. Readiness is refused, connections are told to close, WebSockets to reconnect."""

    def __init__(self, seconds: float = 0) -> None:
        self.seconds = seconds
        """From the start of draining to the end of serving."""
        self._started = asyncio.Event()

    @property
    def started(self) -> bool:
        """Whether SIGTERM was received."""
        return self._started.is_set()

    def start(self) -> None:
        """Begin to drain; called in the event loop."""
        self._started.set()

    @property
    def spread_seconds(self) -> float:
        """From the start of draining to the end of the last connection that lasts."""
        return _SPREAD * self.seconds

    def random_moment(self) -> float:
        """Seconds after the start at which a connection that lasts should end: others end at other moments.

        So do its clients come back, instead of all at once.
        """
        return random.uniform(0, self.spread_seconds)  # noqa: S311  no secret

    async def wait(self) -> None:
        """Return once draining begins."""
        await self._started.wait()
