"""Starts, reports, updates and cancels tasks. Their state is in Redis: any process answers about each of them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Any

from pydantic_core import from_json, to_json

from mcp_server.metrics import TASKS, TASKS_OPEN
from mcp_server.notices import topics
from mcp_server.notices.service import Notices
from mcp_server.protocol.capabilities import missing
from mcp_server.protocol.errors import INTERNAL_ERROR, INVALID_PARAMS, OVERLOADED, MissingCapabilityError, RpcError
from mcp_server.protocol.messages import Encoded, InputRequired, Result, text_content
from mcp_server.tasks.models import CANCELLED, COMPLETED, FAILED, INPUT_REQUIRED, WORKING, Task, now
from mcp_server.tasks.repository import LEASE_SECONDS, TaskRepository
from mcp_server.tasks.request import TaskRequest
from nexus_chassis.admission import Admission
from nexus_chassis.errors import PoolExhaustedError, RedisUnavailableError
from nexus_chassis.principal import Principal

TTL_MILLISECONDS = 3_600_000
MAX_RUNNING = 64
"""Tasks of one process that run at the same time; further ones wait."""

MAX_OF_ONE_USER = 256
"""Tasks of one user in one process that run or wait."""

MAX_RESULT_BYTES = 1024 * 1024
_RENEW_SECONDS = 5.0
_AWAY = (RedisUnavailableError, PoolExhaustedError)
_WRITE_TRIES, _WRITE_SECONDS = 30, 1.0
_LEFT_BEHIND = "The server process that ran the task has ended. Call the tool again."
_log = logging.getLogger(__name__)

type Change = Callable[[Task], Task | None]
type Run = Callable[[str, dict[str, Any], TaskRequest], Awaitable[Result | InputRequired]]
"""Runs a tool, by its name, on arguments that were checked."""


@dataclass(frozen=True, slots=True)
class _Running:
    """A task that this process runs, as it was when its run began."""

    owner: Principal
    task: Task
    work: asyncio.Task[None]


class TaskService:
    """The tasks that this process runs, and the state of all."""

    def __init__(self, repository: TaskRepository, notices: Notices, admission: Admission, run: Run) -> None:
        self._repository = repository
        self._notices = notices
        self._admission = admission
        self._run = run
        self._room = asyncio.Semaphore(MAX_RUNNING)
        self._running: dict[str, _Running] = {}
        self._by_user: Counter[str] = Counter()
        self._is_closing = False
        self._away_at = float("-inf")

    async def start(
        self,
        principal: Principal,
        tool: str,
        arguments: dict[str, Any],
        capabilities: Mapping[str, Any],
        responses: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Start a task and return it, once every process can answer about it.

        Raises:
            RpcError: The user has too many already.
        """
        if self._by_user[principal.subject] >= MAX_OF_ONE_USER:
            raise RpcError(OVERLOADED, f"You have {MAX_OF_ONE_USER} tasks that run. Wait for some to end.")
        at = now()
        task = Task(
            task_id=token_urlsafe(24),
            tool=tool,
            arguments=arguments,
            capabilities=dict(capabilities),
            created_at=at,
            updated_at=at,
            ttl_ms=TTL_MILLISECONDS,
            responses=dict(responses),
        )
        await self._repository.create(principal, task)
        self._execute(principal, task)
        return {"resultType": "task", **task.summary()}

    async def get(self, principal: Principal, task_id: str) -> dict[str, Any]:
        """Return a task. One whose process died is reported as failed.

        Raises:
            RpcError: The principal has no such task.
        """
        task, _, leased = await self._read(principal, task_id)
        if task.status == WORKING and not leased and task_id not in self._running and not self._was_away():
            error = RpcError(INTERNAL_ERROR, _LEFT_BEHIND)
            task = await self._change(principal, task_id, lambda found: _failed(found, error)) or task
        return task.details()

    def _was_away(self) -> bool:
        """Whether Redis was away so lately that the processes which run tasks may not have said so again."""
        return time.monotonic() < self._away_at + LEASE_SECONDS

    async def update(self, principal: Principal, task_id: str, responses: Mapping[str, Any]) -> None:
        """Give a task the client's answers; it goes on, in this process, once nothing is missing.

        Raises:
            RpcError: The principal has no such task.
        """
        await self._read(principal, task_id)
        await self._repository.lease((principal, task_id))
        task = await self._change(principal, task_id, lambda found: _answered(found, responses))
        if task is not None and task.status == WORKING:
            self._execute(principal, task)

    async def cancel(self, principal: Principal, task_id: str) -> None:
        """End a task, in whichever process it runs; one that has ended stays as it is.

        Raises:
            RpcError: The principal has no such task.
        """
        await self._read(principal, task_id)
        try:
            await self._change(principal, task_id, _cancelled)
        finally:  # also where it was written, and could not be announced
            self.stop(task_id)

    def stop(self, task_id: str) -> None:
        """Stop the work on a task where this process does it."""
        if (running := self._running.get(task_id)) is not None:
            running.work.cancel()

    async def keep(self) -> None:
        """Show the other processes, until cancelled, that this one still runs its tasks; write again what Redis lost."""
        seconds = _RENEW_SECONDS
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._renew()
            except _AWAY:
                self._away_at = time.monotonic()
                seconds = _WRITE_SECONDS
            else:
                seconds = _RENEW_SECONDS

    async def _renew(self) -> None:
        running = dict(self._running)
        for task_id in await self._repository.lease(*((one.owner, task_id) for task_id, one in running.items())):
            await self._restore(running[task_id].owner, running[task_id].task)

    async def _restore(self, owner: Principal, task: Task) -> None:
        if task.remaining_ms > 0:
            await self._repository.create(owner, task)

    async def close(self) -> None:
        """Stop all tasks, which are then reported as failed."""
        self._is_closing = True
        running = [one.work for one in self._running.values()]
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _read(self, principal: Principal, task_id: str) -> tuple[Task, int, bool]:
        found = await self._repository.read(principal, task_id)
        if found is None and (lost := self._running_of(principal, task_id)) is not None:
            await self._restore(principal, lost)
            found = await self._repository.read(principal, task_id)
        if found is None:
            raise RpcError(INVALID_PARAMS, f"There is no task {task_id!r:.100}; it may have expired")
        return found

    def _running_of(self, principal: Principal, task_id: str) -> Task | None:
        """Return a task of the principal that this process runs."""
        running = self._running.get(task_id)
        if running is None or _identity(running.owner) != _identity(principal):
            return None
        return running.task

    async def _change(self, principal: Principal, task_id: str, change: Change) -> Task | None:
        """Change a task, whoever else does; returns None where there is nothing to change."""
        while True:
            task, version, _ = await self._read(principal, task_id)
            changed = None if task.has_ended else change(task)
            if changed is None:
                return None
            if await self._repository.replace(principal, changed, version):
                if changed.status not in {task.status, WORKING}:
                    TASKS.labels(changed.status).inc()
                await self._notices.publish(topics.task(task_id), status=changed.status)
                return changed

    def _execute(self, principal: Principal, task: Task) -> None:
        work = asyncio.create_task(self._run_in_turn(principal, task))
        self._running[task.task_id] = _Running(principal, task, work)
        self._by_user[principal.subject] += 1
        TASKS_OPEN.inc()
        work.add_done_callback(lambda _: self._ended(principal, task.task_id))

    def _ended(self, principal: Principal, task_id: str) -> None:
        TASKS_OPEN.dec()
        del self._running[task_id]
        self._by_user[principal.subject] -= 1
        if not self._by_user[principal.subject]:
            del self._by_user[principal.subject]

    async def _run_in_turn(self, principal: Principal, task: Task) -> None:
        async def note(message: str) -> None:
            with suppress(*_AWAY, RpcError):  # the next one says more
                await self._change(principal, task.task_id, lambda found: found.changed(message=message))

        def on_notice(_topic: str, fields: dict[str, str]) -> None:
            if fields.get("status") == CANCELLED:
                self.stop(task.task_id)

        request = TaskRequest(principal, task, self._admission, note)
        try:
            with self._notices.listening(on_notice, topics.task(task.task_id)):
                async with self._room:
                    change = await self._outcome(task, request)
        except asyncio.CancelledError:
            if self._is_closing:
                error = RpcError(INTERNAL_ERROR, "The server stopped before the task ended. Call the tool again.")
                await self._write(principal, task.task_id, lambda found: _failed(found, error))
            raise
        finally:
            request.release()
        await self._write(principal, task.task_id, change)

    async def _outcome(self, task: Task, request: TaskRequest) -> Change:
        try:
            result = await self._run(task.tool, task.arguments, request)
            return _asking(task, result) if isinstance(result, InputRequired) else _completing(result)
        except RpcError as error:
            failure = error
        except Exception:  # noqa: BLE001 - a fault in one task is reported to its owner
            _log.exception("the task of %s failed", task.tool)
            failure = RpcError(INTERNAL_ERROR, "The server failed on this task; its log has the reason")
        return lambda found: _failed(found, failure)

    async def _write(self, principal: Principal, task_id: str, change: Change) -> None:
        """Change a task once Redis is there: what was worked out must not be lost for a short outage."""
        for _ in range(_WRITE_TRIES):
            try:
                with suppress(RpcError):  # it has expired
                    await self._change(principal, task_id, change)
            except _AWAY:
                await asyncio.sleep(_WRITE_SECONDS)
            else:
                return
        _log.error("the end of a task could not be written; it will be reported as failed")


def _identity(principal: Principal) -> tuple[str, str]:
    return principal.subject, principal.client_id


def _failed(task: Task, error: RpcError) -> Task:
    return task.changed(status=FAILED, message=error.message, requests={}, outcome={"error": error.body()})


def _cancelled(task: Task) -> Task:
    return task.changed(status=CANCELLED, requests={})


def _completing(result: Result) -> Change:
    text = b"{" + result + b"}" if isinstance(result, Encoded) else to_json(result)
    if len(text) > MAX_RESULT_BYTES:
        message = f"The result has {len(text)} bytes; a task keeps at most {MAX_RESULT_BYTES}. Ask for less at once."
        outcome: dict[str, Any] = {"content": [text_content(message)], "isError": True}
    else:
        outcome = from_json(text)
    return lambda task: task.changed(status=COMPLETED, outcome={"result": outcome})


def _asking(asked: Task, needed: InputRequired) -> Change:
    """Let the client be asked, by keys that no other round of the task has; raises MissingCapabilityError."""
    if lacking := missing(asked.capabilities, needed.requests.values()):
        raise MissingCapabilityError(lacking)
    return lambda task: _with_requests(task, needed)


def _with_requests(task: Task, needed: InputRequired) -> Task:
    requests = {f"{key}-{task.round + 1}": request for key, request in needed.requests.items()}
    return task.changed(status=INPUT_REQUIRED, requests=requests, state=needed.state, round=task.round + 1)


def _answered(task: Task, responses: Mapping[str, Any]) -> Task | None:
    """Return the task with the answers to its open requests; answers to others are ignored."""
    given = {key: responses[key] for key in task.requests if isinstance(responses.get(key), dict)}
    if task.status != INPUT_REQUIRED or not given:
        return None
    still_open = {key: request for key, request in task.requests.items() if key not in given}
    known = {key.rpartition("-")[0]: answer for key, answer in given.items()}
    status = INPUT_REQUIRED if still_open else WORKING
    return task.changed(status=status, requests=still_open, responses={**task.responses, **known})
