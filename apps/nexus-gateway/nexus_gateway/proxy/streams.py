"""Long bodies on their way: each keeps a connection to a service, so nobody may have very many."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from nexus_gateway.proxy.errors import TooManyStreamsError

MAX_STREAMS = 64
"""Long bodies that one principal may have on their way at once."""


class Streams:
    """Counts the long bodies by principal."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()

    def one_of(self, principal: str) -> AbstractContextManager[None]:
        """Context manager during which there is one more; raises TooManyStreamsError when it is entered."""
        return self._counted(principal)

    @contextmanager
    def _counted(self, principal: str) -> Iterator[None]:
        if self._count[principal] >= MAX_STREAMS:
            raise TooManyStreamsError(MAX_STREAMS)
        self._count[principal] += 1
        try:
            yield
        finally:
            self._count[principal] -= 1
            if not self._count[principal]:
                del self._count[principal]
