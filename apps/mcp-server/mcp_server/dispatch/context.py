"""What a handler knows about the request that it answers, and what it can send to the client meanwhile."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_server.protocol import notifications
from mcp_server.protocol.errors import OVERLOADED, RpcError
from mcp_server.protocol.messages import MessageId, Params
from mcp_server.protocol.session import Session
from nexus_chassis.admission import Ticket
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal

type Send = Callable[[bytes], Awaitable[None]]
type Ask = Callable[[Mapping[str, dict[str, Any]]], Awaitable[dict[str, Any]]]
type Save = Callable[[Session], Awaitable[None]]

LOG_LEVEL_KEY = "io.modelcontextprotocol/logLevel"


@dataclass(slots=True, kw_only=True)
class RequestContext:
    """One request.

    `principal` sent it; `ticket` is its place among those in flight, where it has one. `send` sends a message to the
    client before the response, where the transport can. `ask` sends requests to a client of the handshake era, and
    returns the answers. `responses` and `state` are what an earlier round asked for.
    """

    principal: Principal
    ticket: Ticket | None = None
    message_id: MessageId | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    session: Session | None = None
    save: Save | None = None
    send: Send | None = None
    ask: Ask | None = None
    responses: Mapping[str, Any] = field(default_factory=dict)
    state: Any = None
    round_id: str | None = None
    log_level: str | None = None

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

    async def progress(self, value: float, total: float | None = None, message: str | None = None) -> None:
        """Report how far the work is, to a client that asked for it."""
        token = self.meta.get("progressToken")
        if self.send is not None and token is not None:
            await self.send(notifications.progress(token, value, total, message))

    async def log(self, level: str, data: object, logger: str = "nexus") -> None:
        """Send a log message, to a client that asked for those of this level."""
        if self.send is not None and notifications.is_logged(level, self.log_level):
            await self.send(notifications.log(level, data, logger))


def meta_of(params: Params) -> Mapping[str, Any]:
    """Return `params._meta`, which need not be there."""
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}
