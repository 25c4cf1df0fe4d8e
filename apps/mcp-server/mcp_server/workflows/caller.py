"""On whose behalf a workflow's nodes call other services and tools."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mcp_server.protocol.errors import OVERLOADED, RpcError
from nexus_chassis.admission import Admission
from nexus_chassis.principal import Principal
from nexus_chassis.problems import Problem

type Reserve = Callable[[int], Awaitable[None]]


@dataclass(slots=True)
class NodeRequest:
    """The request of a node: it has no client that could be asked, and no progress but that of its run."""

    principal: Principal
    admission: Admission
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    responses: Mapping[str, Any] = field(default_factory=dict)
    state: Any = None
    round_id: str | None = None
    _reserved: int = 0

    async def reserve(self, size: int) -> None:
        """Reserve memory for an answer until `release`; raises RpcError when there is none."""
        try:
            await self.admission.reserve(self.principal.subject, size)
        except Problem as problem:
            raise RpcError(OVERLOADED, problem.detail) from None
        self._reserved += size

    def release(self) -> None:
        """Give back what was reserved."""
        self.admission.release(self.principal.subject, self._reserved)
        self._reserved = 0

    async def progress(self, value: float, total: float | None = None, message: str | None = None) -> None:
        """Runs report no progress of a single node."""

    async def log(self, level: str, data: object, logger: str = "nexus") -> None:
        """What a tool logs for its client is not a log of the run."""
