"""What a handler knows about the request that it answers, apart from its params."""

from dataclasses import dataclass

from mcp_server.protocol.errors import OVERLOADED, RpcError
from nexus_chassis.admission import Ticket
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request. `principal` sent it; `ticket` is its place among those in flight, where it has one."""

    principal: Principal
    ticket: Ticket | None = None

    async def reserve(self, size: int) -> None:
        """Reserve memory for an answer of `size` bytes until the request ends.

        Raises:
            RpcError: There is none at the moment.
        """
        if self.ticket is not None:
            try:
                await self.ticket.reserve(size)
            except Problem as problem:
                raise RpcError(OVERLOADED, problem.detail) from None
