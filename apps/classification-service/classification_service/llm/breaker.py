"""A circuit breaker: no calls for a while to a server that does not do its job."""

import time
from typing import Literal

FAILURES = 5
"""Calls that fail one after the other before a pause."""

PAUSE_SECONDS = 30.0
MAX_PAUSE_SECONDS = 300.0

type State = Literal["closed", "open", "half-open"]


class Breaker:
    """Open (no calls) after FAILURES failures in a row, half-open after the pause: one call, whose outcome decides.

    Each failed trial doubles the pause, up to MAX_PAUSE_SECONDS.
    """

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self._first_pause = pause
        self._pause = pause
        self._failures = 0
        self._opened: float | None = None
        self._trying = False
        self.reason: str | None = None

    @property
    def state(self) -> State:
        """What the breaker is now."""
        if self._opened is None:
            return "closed"
        return "open" if time.monotonic() < self._opened + self._pause else "half-open"

    def allow(self) -> bool:
        """Whether a call may be made; the outcome of one that was allowed must be reported."""
        if (state := self.state) == "half-open" and not self._trying:
            self._trying = True
            return True
        return state == "closed"

    def succeeded(self) -> None:
        """The server did its job."""
        self._failures, self._opened, self._trying = 0, None, False
        self._pause, self.reason = self._first_pause, None

    def failed(self, reason: str, *, final: bool = False) -> None:
        """The server did not do its job; `final` means that other calls would fail the same way."""
        self._failures += 1
        if self._trying:
            self._pause = min(self._pause * 2, MAX_PAUSE_SECONDS)
        if self._trying or final or (self._failures >= FAILURES and self._opened is None):
            self._opened, self.reason = time.monotonic(), reason
        self._trying = False

    def undecided(self) -> None:
        """The call was not made, or nobody waited for its outcome."""
        self._trying = False
