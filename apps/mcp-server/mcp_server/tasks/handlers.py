"""The methods tasks/get, tasks/update and tasks/cancel."""

from collections.abc import Mapping
from typing import Any, Protocol

from mcp_server.protocol.capabilities import TASKS, has_tasks
from mcp_server.protocol.errors import INVALID_PARAMS, MissingCapabilityError, RpcError
from mcp_server.protocol.messages import Params, Result
from mcp_server.tasks.all import AllTasks
from nexus_chassis.principal import Principal


class Request(Protocol):
    """A request."""

    @property
    def principal(self) -> Principal:
        """Who sent it."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the client declared that it can do."""


class TaskHandlers:
    """Handlers of the methods on tasks."""

    def __init__(self, service: AllTasks) -> None:
        self._service = service

    async def get(self, params: Params, request: Request) -> Result:
        """Return a task."""
        return await self._service.get(request.principal, _task_id(params, request))

    async def update(self, params: Params, request: Request) -> Result:
        """Acknowledge answers to the requests of a task."""
        task_id, responses = _task_id(params, request), params.get("inputResponses")
        if not isinstance(responses, dict):
            raise RpcError(INVALID_PARAMS, "params.inputResponses must be an object")
        await self._service.update(request.principal, task_id, responses)
        return {}

    async def cancel(self, params: Params, request: Request) -> Result:
        """Acknowledge that a task is to end."""
        await self._service.cancel(request.principal, _task_id(params, request))
        return {}


def _task_id(params: Params, request: Request) -> str:
    if not has_tasks(request.capabilities):
        raise MissingCapabilityError({"extensions": {TASKS: {}}})
    task_id = params.get("taskId")
    if not isinstance(task_id, str):
        raise RpcError(INVALID_PARAMS, "params.taskId must be the id of a task")
    return task_id
