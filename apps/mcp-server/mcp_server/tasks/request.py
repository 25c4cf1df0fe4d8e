"""What a tool knows about the task that runs it."""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp_server.protocol.errors import OVERLOADED, RpcError
from mcp_server.tasks.models import Task
from nexus_chassis.admission import Admission
from nexus_chassis.principal import Principal
from nexus_chassis.problems import Problem

_NOTE_SECONDS = 1.0


class TaskRequest:
    """The run of a tool in a task. Its progress becomes the status message of the task, at most once a second."""

    def __init__(
        self, principal: Principal, task: Task, admission: Admission, note: Callable[[str], Awaitable[None]]
    ) -> None:
        self.principal = principal
        self.capabilities: Mapping[str, Any] = task.capabilities
        self.responses: Mapping[str, Any] = task.responses
        self.state: Any = task.state
        self._admission = admission
        self._note = note
        self._noted_at = float("-inf")
        self._reserved = 0

    async def reserve(self, size: int) -> None:
        """Reserve memory until the run ends; raises RpcError when there is none at the moment."""
        try:
            await self._admission.reserve(self.principal.subject, size)
        except Problem as problem:
            raise RpcError(OVERLOADED, problem.detail) from None
        self._reserved += size

    def release(self) -> None:
        """Give back what was reserved."""
        self._admission.release(self.principal.subject, self._reserved)
        self._reserved = 0

    async def progress(self, value: float, total: float | None = None, message: str | None = None) -> None:
        """Report how far the work is."""
        if time.monotonic() - self._noted_at < _NOTE_SECONDS:
            return
        self._noted_at = time.monotonic()
        share = f"{value:g}" if total is None else f"{value:g} of {total:g}"
        await self._note(share if message is None else f"{share}: {message}")

    async def log(self, level: str, data: object, logger: str = "nexus") -> None:
        """Tasks have no log messages (SEP-2663)."""
