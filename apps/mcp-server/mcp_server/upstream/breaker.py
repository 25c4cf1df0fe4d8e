"""Circuit breakers: calls of a tool whose server does not answer are refused at once instead of waiting for it."""

import math
import time

from mcp_server.metrics import CALLS_REFUSED
from mcp_server.upstream.errors import CircuitOpenError

MAX_FAILURES = 5
"""So many calls in a row without a usable answer open the circuit."""

OPEN_SECONDS = 5.0
"""An open circuit lets one call through every so often, whether the one before was answered by then or not."""


class Breaker:
    """The circuit of one tool, in one worker process."""

    __slots__ = ("_failures", "_next_try")

    def __init__(self) -> None:
        self._failures = 0
        self._next_try = 0.0

    def admit(self, service: str) -> None:
        """Let a call through; raises CircuitOpenError while the circuit is open and no try is due."""
        if self._failures < MAX_FAILURES:
            return
        now = time.monotonic()
        if now < self._next_try:
            CALLS_REFUSED.labels("circuit").inc()
            raise CircuitOpenError(service, math.ceil(self._next_try - now))
        self._next_try = now + OPEN_SECONDS

    def succeed(self) -> None:
        """Count an answer."""
        self._failures = 0

    def fail(self) -> None:
        """Count a call without a usable answer."""
        self._failures += 1
        if self._failures == MAX_FAILURES:
            self._next_try = time.monotonic() + OPEN_SECONDS
