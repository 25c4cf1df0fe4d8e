"""Which requests may be sent a second time, and how many."""

import aiohttp

from nexus_gateway.proxy.connections import BrokenConnectionError

RESERVE = 10.0
SHARE = 0.1
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})  # RFC 9110 section 9.2.2


class RetryBudget:
    """Allows one retry for ten requests, so that retries cannot multiply an outage; RESERVE of them are saved at most."""

    __slots__ = ("_saved",)

    def __init__(self) -> None:
        self._saved = RESERVE

    def earn(self) -> None:
        """Count a request."""
        if self._saved < RESERVE:
            self._saved += SHARE

    def spend(self) -> bool:
        """Whether there may be a retry now; it is counted."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def may_be_sent_again(method: str, error: Exception, *, whole: bool) -> bool:
    """Whether a request may be repeated after this error. `whole`: all of its body is at hand.

    Any may when the connection could not be opened, because nothing was sent. When the connection broke before anything
    of the answer arrived, the service may have carried the request out: then only an idempotent one may.
    """
    if isinstance(error, aiohttp.ClientConnectorError):
        return True
    return isinstance(error, BrokenConnectionError) and error.nothing_received and whole and method in _IDEMPOTENT
