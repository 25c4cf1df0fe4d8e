"""The requests that are being answered, so that their senders can cancel them."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from mcp_server.protocol.errors import INVALID_REQUEST, RpcError
from mcp_server.protocol.messages import MessageId


class CancelledByClientError(Exception):
    """The client no longer wants the answer."""


class InFlight:
    """The requests of some senders, each by the sender's key and its id."""

    def __init__(self) -> None:
        self._tasks: dict[tuple[str, MessageId], asyncio.Task[object] | None] = {}
        self._cancelled: set[tuple[str, MessageId]] = set()

    @contextmanager
    def running(self, sender: str, message_id: MessageId) -> Iterator[None]:
        """Answer a request in the current task.

        Raises:
            RpcError: A request with this id is being answered already.
            CancelledByClientError: The client cancelled the request.
        """
        key = (sender, message_id)
        self.require_new(sender, message_id)
        task = self._tasks[key] = asyncio.current_task()
        try:
            yield
        except asyncio.CancelledError:
            if key in self._cancelled and task is not None and task.uncancel() == 0:
                raise CancelledByClientError from None
            raise
        finally:
            del self._tasks[key]
            self._cancelled.discard(key)

    def require_new(self, sender: str, message_id: MessageId) -> None:
        """Raise RpcError for the id of a request that is being answered."""
        if (sender, message_id) in self._tasks:
            fault = f"A request with the id {message_id!r:.100} is in flight"
            raise RpcError(INVALID_REQUEST, fault, message_id=message_id)

    def cancel(self, sender: str, message_id: MessageId) -> bool:
        """Cancel a request; returns whether it was being answered here."""
        task = self._tasks.get((sender, message_id))
        if task is None:
            return False
        if (sender, message_id) not in self._cancelled:
            self._cancelled.add((sender, message_id))
            task.cancel()
        return True
