"""The open connections of a process: how many each principal may have, and their end when the process drains."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from nexus_chassis.drain import Drain
from nexus_chassis.tokens import Principal
from nexus_gateway.events.errors import StreamsExhaustedError, TooManyConnectionsError
from nexus_gateway.metrics import CONNECTIONS

MAX_CONNECTIONS = 20
"""WebSockets and event streams that a principal may have open at one process."""

MAX_STREAMS = 512
"""Event streams over HTTP of one process: each takes the place of a request in flight."""

_JITTER_SECONDS = 1.0


class Connection(Protocol):
    """A connection that lasts."""

    def reconnect(self, after_ms: int) -> None:
        """Ask the client to connect again after so many milliseconds, and end."""


class Connections:
    """Counts connections, and ends them at different moments of the drain."""

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._by_principal: Counter[tuple[str | None, str]] = Counter()
        self._by_transport: Counter[str] = Counter()
        self._open: set[Connection] = set()
        self._ends_at = 0.0

    def websocket(self, principal: Principal) -> AbstractContextManager[None]:
        """Counts a WebSocket while the block runs; raises TooManyConnectionsError at once."""
        self._require_room(principal)
        return self._counted(principal, "websocket")

    def stream(self, principal: Principal) -> AbstractContextManager[None]:
        """Counts an event stream while the block runs; raises TooManyConnectionsError or StreamsExhaustedError at once."""
        self._require_room(principal)
        if self._by_transport["sse"] >= MAX_STREAMS:
            raise StreamsExhaustedError
        return self._counted(principal, "sse")

    def _require_room(self, principal: Principal) -> None:
        if self._by_principal[principal.tenant, principal.subject] >= MAX_CONNECTIONS:
            raise TooManyConnectionsError(MAX_CONNECTIONS)

    @contextmanager
    def _counted(self, principal: Principal, transport: str) -> Iterator[None]:
        name = principal.tenant, principal.subject
        self._by_principal[name] += 1
        self._by_transport[transport] += 1
        CONNECTIONS.labels(transport).inc()
        try:
            yield
        finally:
            self._by_principal[name] -= 1
            if not self._by_principal[name]:
                del self._by_principal[name]
            self._by_transport[transport] -= 1
            CONNECTIONS.labels(transport).dec()

    def add(self, connection: Connection) -> None:
        """End the connection when the process drains."""
        self._open.add(connection)
        if self._drain.started:
            asyncio.get_running_loop().call_soon(connection.reconnect, self._after_ms())

    def discard(self, connection: Connection) -> None:
        """The connection has ended."""
        self._open.discard(connection)

    async def run(self) -> None:
        """Wait until the process drains, then end one connection after the other."""
        await self._drain.wait()
        self._ends_at = time.monotonic() + self._drain.seconds
        remaining = list(self._open)
        random.shuffle(remaining)
        started, spread = time.monotonic(), self._drain.spread_seconds
        for number, connection in enumerate(remaining):
            if (early := started + spread * number / len(remaining) - time.monotonic()) > 0:
                await asyncio.sleep(early)
            connection.reconnect(self._after_ms())

    def _after_ms(self) -> int:
        """When this process no longer accepts connections, each client at its own moment."""
        left = max(0.0, self._ends_at - time.monotonic())
        return int(1000 * (left + random.uniform(0, _JITTER_SECONDS)))  # noqa: S311  no secret
