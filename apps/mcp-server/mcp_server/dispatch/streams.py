"""How many streams of notifications are open: they last, and are not counted among the requests in flight."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from mcp_server.metrics import CONNECTIONS
from mcp_server.protocol.errors import OVERLOADED, RpcError

MAX_STREAMS = 2000
"""Streams over HTTP of one process."""

MAX_OF_ONE_USER = 64


class TooManyStreamsError(RpcError):
    """A user, or the process, has as many streams as it may."""


class Streams:
    """The open streams over HTTP of one process, by user."""

    def __init__(self) -> None:
        self._by_user: Counter[str] = Counter()

    @contextmanager
    def lasting(self, user: str) -> Iterator[None]:
        """Count a stream while it lasts.

        Raises:
            TooManyStreamsError: There are as many as there may be.
        """
        if self._by_user[user] >= MAX_OF_ONE_USER or self._by_user.total() >= MAX_STREAMS:
            text = f"You have {self._by_user[user]} streams of notifications open. End some first."
            raise TooManyStreamsError(OVERLOADED, text)
        self._by_user[user] += 1
        CONNECTIONS.labels("stream").inc()
        try:
            yield
        finally:
            CONNECTIONS.labels("stream").dec()
            self._by_user[user] -= 1
            if not self._by_user[user]:
                del self._by_user[user]
