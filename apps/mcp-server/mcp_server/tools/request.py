"""What a tool knows about the request that calls it."""

from typing import Protocol

from nexus_chassis.tokens import Principal


class Request(Protocol):
    """A request."""

    @property
    def principal(self) -> Principal:
        """Who sent it."""

    async def reserve(self, size: int) -> None:
        """Reserve memory for an answer of `size` bytes until the request ends; raises RpcError when there is none."""
