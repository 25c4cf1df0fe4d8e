"""Circuit breakers: requests to a service that does not answer are refused at once instead of waiting for it."""

import math
import time

from nexus_gateway.metrics import BREAKER_STATE, UPSTREAM_FAILURES
from nexus_gateway.proxy.errors import UpstreamOpenError

MAX_FAILURES = 5
"""So many requests in a row without an answer open the circuit."""

OPEN_SECONDS = 2.0
"""An open circuit lets one request through every so often, whether the one before was answered by then or not."""

_CLOSED, _TRYING, _OPEN = range(3)


class Breaker:
    """The circuit to one service, in one worker process.

    Any answer of the service closes it, whatever its status: a service that answers 500 is not away.
    """

    __slots__ = ("_failures", "_next_try", "_service", "_state")

    def __init__(self, service: str) -> None:
        self._service = service
        self._failures = 0
        self._next_try = 0.0
        self._state = BREAKER_STATE.labels(service)

    def admit(self) -> None:
        """Let a request through; raises UpstreamOpenError while the circuit is open and no try is due."""
        if self._failures < MAX_FAILURES:
            return
        now = time.monotonic()
        if now < self._next_try:
            UPSTREAM_FAILURES.labels(self._service, "open").inc()
            raise UpstreamOpenError(self._service, math.ceil(self._next_try - now))
        self._next_try = now + OPEN_SECONDS
        self._state.set(_TRYING)

    def succeed(self) -> None:
        """Count an answer."""
        if self._failures:
            self._failures = 0
            self._state.set(_CLOSED)

    def fail(self) -> None:
        """Count a request without an answer."""
        self._failures += 1
        if self._failures == MAX_FAILURES:
            self._next_try = time.monotonic() + OPEN_SECONDS
        if self._failures >= MAX_FAILURES:
            self._state.set(_OPEN)
