"""Runs as tasks of the Tasks extension (SEP-2663): a run's id is that of its task."""

from datetime import datetime
from typing import Any

from pydantic_core import to_json

from mcp_server.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import text_content
from mcp_server.tasks.models import CANCELLED, COMPLETED, FAILED, POLL_MILLISECONDS, WORKING
from mcp_server.workflows.errors import RunNotFoundError
from mcp_server.workflows.outcomes import as_object
from mcp_server.workflows.run_descriptions import described
from mcp_server.workflows.run_models import Run
from mcp_server.workflows.run_service import PREFIX, RunService
from nexus_chassis.principal import Principal

TTL_MILLISECONDS = 7 * 24 * 3_600_000
"""As long as ended runs are kept."""

_STATUS = {"queued": WORKING, "running": WORKING, "finished": COMPLETED, "cancelled": CANCELLED}
_OF_SERVER = frozenset({"lost", "runner", "runner-unavailable", "sandbox-unavailable", "server", "token"})
"""Reasons that are not the workflow's: the call was not answered, instead of being answered with an error."""


class RunTasks:
    """Returns and cancels runs, by their ids as tasks. They belong to the user and the client that started them."""

    def __init__(self, runs: RunService) -> None:
        self._runs = runs

    def has(self, task_id: str) -> bool:
        """Whether an id is one of a run."""
        return task_id.startswith(PREFIX)

    async def get(self, principal: Principal, task_id: str) -> dict[str, Any]:
        """Return a run as a task; raises RpcError where the principal has none."""
        return details(await self._find(principal, task_id))

    async def cancel(self, principal: Principal, task_id: str) -> None:
        """End a run; raises RpcError where the principal has none."""
        await self._runs.cancel(principal, await self._find(principal, task_id))

    async def _find(self, principal: Principal, task_id: str) -> Run:
        try:
            run = await self._runs.find(principal, task_id)
        except RunNotFoundError:
            run = None
        if run is None or (run.subject, run.client_id) != (principal.subject, principal.client_id):
            raise RpcError(INVALID_PARAMS, f"There is no task {task_id!r:.100}; it may have expired")
        return run


def summary(run: Run) -> dict[str, Any]:
    """Return what every message about the task has."""
    message = _message(run)
    return {
        "taskId": run.run_id,
        "status": _status(run),
        **({} if message is None else {"statusMessage": message}),
        "createdAt": _time(run.created_at),
        "lastUpdatedAt": _time(run.updated_at),
        "ttlMs": TTL_MILLISECONDS,
        "pollIntervalMs": POLL_MILLISECONDS,
    }


def begun(run: Run) -> dict[str, Any]:
    """Return the result of the tool call that started a run as a task."""
    return {"resultType": "task", **summary(run)}


def details(run: Run) -> dict[str, Any]:
    """Return what tasks/get answers."""
    return {**summary(run), **_outcome(run)}


def result(run: Run) -> dict[str, Any]:
    """Return the result of the tool call that a run which has ended answers."""
    if run.state != "finished":
        return {"content": [text_content(failure(run))], "isError": True}
    content = described(run) if run.returns_run else as_object(run.result)
    return {"content": [text_content(to_json(content).decode())], "structuredContent": content, "isError": False}


def failure(run: Run) -> str:
    """Return why a run has no result."""
    if run.state == "cancelled":
        return f"The run {run.run_id} was cancelled."
    return f"The run {run.run_id} failed ({run.reason}): {run.detail}"


def _status(run: Run) -> str:
    if run.state == "failed":
        return FAILED if run.reason in _OF_SERVER else COMPLETED
    return _STATUS[run.state]


def _message(run: Run) -> str | None:
    if run.state == "queued":
        return "It waits for its turn."
    return failure(run) if run.state == "failed" else None


def _outcome(run: Run) -> dict[str, Any]:
    status = _status(run)
    if status == COMPLETED:
        return {"result": result(run)}
    return {"error": RpcError(INTERNAL_ERROR, failure(run)).body()} if status == FAILED else {}


def _time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
