"""The method subscriptions/listen: a request whose response is a stream of notifications."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from mcp_server.notices import topics
from mcp_server.notices.pending import Pending
from mcp_server.notices.service import Notices
from mcp_server.protocol import jsonrpc
from mcp_server.protocol.capabilities import TASKS, has_tasks
from mcp_server.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, MissingCapabilityError, RpcError
from mcp_server.protocol.messages import MessageId, Params, Result
from mcp_server.protocol.notifications import SUBSCRIPTION_KEY, for_subscription
from nexus_chassis.drain import Drain
from nexus_chassis.principal import Principal
from nexus_chassis.revocations import Revocations

MAX_RESOURCES = 1000
MAX_TASKS = 100
_LOOK_SECONDS = 5.0  # a task whose process died sends no notice
_FLAGS = {
    "toolsListChanged": topics.TOOLS,
    "promptsListChanged": topics.PROMPTS,
    "resourcesListChanged": topics.RESOURCES,
}


class Tasks(Protocol):
    """Who knows the tasks."""

    async def get(self, principal: Principal, task_id: str) -> dict[str, Any]:
        """Return a task of the principal; raises RpcError when there is none."""


class Request(Protocol):
    """The request that opened a stream."""

    @property
    def principal(self) -> Principal:
        """Who sent it."""

    @property
    def capabilities(self) -> Mapping[str, Any]:
        """What the client declared that it can do."""

    @property
    def message_id(self) -> MessageId | None:
        """The id of the request, which is that of the subscription."""

    @property
    def send(self) -> Callable[[bytes], Awaitable[None]] | None:
        """Sends a message to the client; None where the transport cannot."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a client wants to hear of."""

    flags: tuple[str, ...]
    uris: tuple[str, ...]
    task_ids: tuple[str, ...]

    @property
    def topics(self) -> list[str]:
        """The topics of notices that concern the client."""
        return [
            *(_FLAGS[flag] for flag in self.flags),
            *map(topics.resource, self.uris),
            *map(topics.task, self.task_ids),
        ]

    def acknowledgement(self) -> dict[str, Any]:
        """Return the filter as the server repeats it."""
        parts = {"resourceSubscriptions": list(self.uris), "taskIds": list(self.task_ids)}
        return {**dict.fromkeys(self.flags, True), **{name: part for name, part in parts.items() if part}}


class SubscriptionHandlers:
    """The handler of the method."""

    def __init__(self, notices: Notices, tasks: Tasks, drain: Drain, revocations: Revocations) -> None:
        self._notices = notices
        self._tasks = tasks
        self._drain = drain
        self._revocations = revocations

    async def listen(self, params: Params, request: Request) -> Result:
        """Send what the client asked for until it leaves, its token ends, or the service stops."""
        if request.send is None or request.message_id is None:
            raise RpcError(INVALID_REQUEST, "The answer is a stream: accept text/event-stream")
        wanted = await self._own_tasks(_read(params.get("notifications"), request.capabilities), request.principal)
        pending = Pending(request.principal)
        with self._notices.listening(pending.add, *wanted.topics):
            acknowledged = {"notifications": wanted.acknowledgement()}
            await request.send(
                for_subscription(request.message_id, "notifications/subscriptions/acknowledged", acknowledged)
            )
            async with self._ends(pending, request.principal):
                await self._send_news(request, request.send, pending, wanted)
        return {"_meta": {SUBSCRIPTION_KEY: request.message_id}}

    @asynccontextmanager
    async def _ends(self, pending: Pending, principal: Principal) -> AsyncIterator[None]:
        """Wake the stream when the service is about to stop, or the token may have been revoked."""
        waiting = asyncio.create_task(self._drain.wait())
        waiting.add_done_callback(lambda _: pending.wake())
        try:
            with self._revocations.watching(principal, pending.wake):
                yield
        finally:
            waiting.cancel()

    async def _send_news(
        self, request: Request, send: Callable[[bytes], Awaitable[None]], pending: Pending, wanted: Filter
    ) -> None:
        watched = _Watched(self._tasks, request.principal, wanted.task_ids)
        while not (self._drain.started or self._is_over(request.principal)):
            for topic in await pending.take(_LOOK_SECONDS, request.principal.expires_at):
                if (news := _notification(topic)) is not None:
                    await send(for_subscription(request.message_id, *news))
            for task in await watched.changed():
                await send(for_subscription(request.message_id, "notifications/tasks", task))

    def _is_over(self, principal: Principal) -> bool:
        return time.time() >= principal.expires_at or self._revocations.reason(principal) is not None

    async def _own_tasks(self, wanted: Filter, principal: Principal) -> Filter:
        """Leave out the ids of tasks that are not of the principal."""
        own = []
        for task_id in wanted.task_ids:
            try:
                await self._tasks.get(principal, task_id)
            except RpcError:
                continue
            own.append(task_id)
        return Filter(wanted.flags, wanted.uris, tuple(own))


class _Watched:
    """The tasks of one stream, each with the time of the change that was sent last."""

    def __init__(self, tasks: Tasks, principal: Principal, task_ids: tuple[str, ...]) -> None:
        self._tasks = tasks
        self._principal = principal
        self._sent = dict.fromkeys(task_ids, "")

    async def changed(self) -> list[dict[str, Any]]:
        """Return the tasks that have changed since."""
        found = []
        for task_id, sent in list(self._sent.items()):
            try:
                task = await self._tasks.get(self._principal, task_id)
            except RpcError:  # it is over since long
                del self._sent[task_id]
                continue
            if task["lastUpdatedAt"] != sent:
                self._sent[task_id] = task["lastUpdatedAt"]
                found.append(task)
        return found


def _notification(topic: str) -> tuple[str, dict[str, Any]] | None:
    if topic in topics.LIST_CHANGED:
        return topics.LIST_CHANGED[topic], {}
    uri = topics.uri_of(topic)
    return None if uri is None else ("notifications/resources/updated", {"uri": uri})


def of_session(topic: str) -> bytes | None:
    """Return what a client of the handshake era is sent for news on a topic."""
    news = _notification(topic)
    return None if news is None else jsonrpc.notification(*news)


def _read(wanted: object, capabilities: Mapping[str, Any]) -> Filter:
    if not isinstance(wanted, dict):
        raise RpcError(INVALID_PARAMS, "params.notifications must be an object")
    flags = tuple(flag for flag in _FLAGS if _flag(wanted, flag))
    task_ids = _texts(wanted, "taskIds", MAX_TASKS)
    if task_ids and not has_tasks(capabilities):
        raise MissingCapabilityError({"extensions": {TASKS: {}}})
    return Filter(flags, _texts(wanted, "resourceSubscriptions", MAX_RESOURCES), task_ids)


def _flag(wanted: Mapping[str, Any], name: str) -> bool:
    value = wanted.get(name, False)
    if not isinstance(value, bool):
        raise RpcError(INVALID_PARAMS, f"params.notifications.{name} must be true or false")
    return value


def _texts(wanted: Mapping[str, Any], name: str, most: int) -> tuple[str, ...]:
    values = wanted.get(name, [])
    if not isinstance(values, list) or len(values) > most or not all(isinstance(value, str) for value in values):
        raise RpcError(INVALID_PARAMS, f"params.notifications.{name} must be a list of at most {most} strings")
    return tuple(dict.fromkeys(values))
