"""All tasks of a client: calls of tools, which Redis keeps, and work that others keep."""

from collections.abc import Mapping
from typing import Any, Protocol

from mcp_server.tasks.service import TaskService
from nexus_chassis.principal import Principal


class OtherTasks(Protocol):
    """Tasks that are kept elsewhere. Methods raise RpcError where the principal has no such task."""

    def has(self, task_id: str) -> bool:
        """Whether an id is one of these."""

    async def get(self, principal: Principal, task_id: str) -> dict[str, Any]:
        """Return a task."""

    async def cancel(self, principal: Principal, task_id: str) -> None:
        """End a task."""


class AllTasks:
    """Finds tasks by their ids. Methods raise RpcError where the principal has no such task."""

    def __init__(self, calls: TaskService, others: OtherTasks) -> None:
        self._calls = calls
        self._others = others

    async def get(self, principal: Principal, task_id: str) -> dict[str, Any]:
        """Return a task."""
        return await (self._others if self._others.has(task_id) else self._calls).get(principal, task_id)

    async def update(self, principal: Principal, task_id: str, responses: Mapping[str, Any]) -> None:
        """Give a task the client's answers; those that are kept elsewhere ask for none."""
        if self._others.has(task_id):
            await self._others.get(principal, task_id)
        else:
            await self._calls.update(principal, task_id, responses)

    async def cancel(self, principal: Principal, task_id: str) -> None:
        """End a task; one that has ended stays as it is."""
        await (self._others if self._others.has(task_id) else self._calls).cancel(principal, task_id)
