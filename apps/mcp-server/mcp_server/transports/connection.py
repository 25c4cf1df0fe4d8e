"""An open WebSocket connection: its messages, the requests that are being answered, and news for its client."""

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import Any

from starlette.websockets import WebSocketDisconnect

from mcp_server.context import Context
from mcp_server.dispatch.context import RequestContext
from mcp_server.dispatch.in_flight import CancelledByClientError, InFlight
from mcp_server.dispatch.questions import Questions
from mcp_server.dispatch.responses import respond, respond_to_batch
from mcp_server.notices import topics
from mcp_server.notices.listen import of_session
from mcp_server.notices.service import Fields, Listening
from mcp_server.protocol import handshake, jsonrpc, stateless
from mcp_server.protocol.errors import INVALID_REQUEST, OVERLOADED, RpcError
from mcp_server.protocol.jsonrpc import Batch
from mcp_server.protocol.messages import Call, Reply
from mcp_server.protocol.session import Session
from nexus_chassis.admission import Admission, Ticket
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal
from nexus_chassis.websocket_session import WebSocketSession

MAX_CALLS = 32
"""Requests of one connection that run at the same time; further ones wait."""

MAX_WAITING = 64
"""Requests of one connection that wait; further ones are refused."""

MAX_LISTENING = 16
"""Streams of notifications of one connection."""

_WAITS = frozenset(
    {
        "completion/complete",
        "prompts/get",
        "resources/read",
        "tasks/cancel",
        "tasks/get",
        "tasks/update",
        "tools/call",
    }
)
_LASTS = "subscriptions/listen"
_CLIENT = ""  # questions and requests of a connection are its own
_SMALL_BYTES = 1024  # a message up to this size may wait without a reservation of memory


class Connection:
    """An open connection."""

    def __init__(self, session: WebSocketSession, principal: Principal, context: Context, admission: Admission) -> None:
        self._socket = session
        self._principal = principal
        self._methods = context.methods
        self._notices = context.notices
        self._admission = admission
        self._session: Session | None = None
        self._listening: Listening | None = None
        self._news: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None
        self._in_flight = InFlight()
        self._questions = Questions()
        self._room = asyncio.Semaphore(MAX_CALLS)
        self._running: set[asyncio.Task[None]] = set()
        self._lasting: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Receive messages until the connection ends; then cancel what still runs for it."""
        try:
            with self._notices.listening(self._on_notice) as self._listening:
                async for text in self._socket.messages():
                    await self._receive(text)
        finally:
            tasks = [*self._running, *self._lasting, *([self._telling] if self._telling else [])]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, text: str) -> None:
        try:
            await self._take(jsonrpc.read(text, batches=self._has_batches), len(text))
        except RpcError as error:
            await self._send(jsonrpc.failure(error.message_id, error))

    @property
    def _has_batches(self) -> bool:
        return self._session is not None and self._session.revision == handshake.BATCH_REVISION

    async def _take(self, message: Call | Reply | Batch, size: int) -> None:
        if isinstance(message, Reply):
            self._questions.answer(_CLIENT, message)
        elif isinstance(message, Batch):
            await self._start(message, size)
        elif message.message_id is None:
            self._take_notification(message)
        else:
            self._in_flight.require_new(_CLIENT, message.message_id)
            if message.method == _LASTS:
                self._listen(message)
            elif message.method in _WAITS:
                await self._start(message, size)
            else:
                await self._send(await respond(message, partial(self._result, ticket=None)))

    def _take_notification(self, call: Call) -> None:
        cancelled = call.params.get("requestId")
        if call.method == "notifications/cancelled" and isinstance(cancelled, int | str):
            self._in_flight.cancel(_CLIENT, cancelled)

    def _listen(self, call: Call) -> None:
        """Send the notifications that a request asks for; it lasts, and takes no place among the calls."""
        if len(self._lasting) >= MAX_LISTENING:
            raise _overloaded(call, f"This connection has {MAX_LISTENING} streams of notifications. End one of them.")
        task = _begin(self._answer(call, None))
        self._lasting.add(task)
        task.add_done_callback(self._lasting.discard)

    async def _start(self, message: Call | Batch, size: int) -> None:
        """Answer a message that may take a while, without making those behind it wait."""
        if len(self._running) >= MAX_CALLS + MAX_WAITING:
            raise _overloaded(message, f"This connection has {len(self._running)} calls in flight. Wait for answers.")
        try:
            reserved = await self._reserve(size)
        except Problem as problem:
            raise _overloaded(message, problem.detail) from None
        task = _begin(self._finish(message))
        if not task.done():
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        if reserved:
            task.add_done_callback(lambda _: self._admission.release(self._principal.subject, reserved))

    async def _reserve(self, size: int) -> int:
        if size <= _SMALL_BYTES:
            return 0
        await self._admission.reserve(self._principal.subject, size)
        return size

    async def _finish(self, message: Call | Batch) -> None:
        """Answer a message while it counts as a request in flight, as one over HTTP does."""
        with suppress(CancelledByClientError), self._noting(message):
            async with self._room:
                try:
                    ticket = await self._admission.enter()
                except Problem as problem:
                    error = _overloaded(message, problem.detail)
                    with suppress(WebSocketDisconnect):
                        await self._send(jsonrpc.failure(error.message_id, error))
                    return
                try:
                    await self._respond(message, ticket)
                finally:
                    ticket.close()

    async def _answer(self, call: Call, ticket: Ticket | None) -> None:
        with suppress(CancelledByClientError), self._noting(call):
            await self._respond(call, ticket)

    def _noting(self, message: Call | Batch) -> AbstractContextManager[None]:
        """While a call is answered, its client can cancel it. A batch cannot be cancelled."""
        if isinstance(message, Batch) or message.message_id is None:
            return nullcontext()
        return self._in_flight.running(_CLIENT, message.message_id)

    async def _respond(self, message: Call | Batch, ticket: Ticket | None) -> None:
        handle = partial(self._result, ticket=ticket)
        with suppress(WebSocketDisconnect):  # the connection ended while the tool ran
            if isinstance(message, Batch):
                await self._send(await respond_to_batch(message, handle))
            else:
                await self._send(await respond(message, handle))

    async def _result(self, call: Call, ticket: Ticket | None) -> bytes:
        context = RequestContext(principal=self._principal, ticket=ticket, message_id=call.message_id, send=self._send)
        if stateless.is_stateless(call):
            result, suffix = await self._methods.stateless(call, context)
            return jsonrpc.success(call.message_id, result, suffix)
        self._check_order(call)
        context.session, context.save = self._session, self._save
        context.ask = partial(self._questions.ask, _CLIENT, self._send)
        return jsonrpc.success(call.message_id, await self._methods.handshake(call, context))

    def _check_order(self, call: Call) -> None:
        if call.method == "initialize" and self._session is not None:
            raise RpcError(INVALID_REQUEST, "This connection is initialized already")
        if self._session is None and call.method not in handshake.BEFORE_INITIALIZE:
            message = "Send initialize first, or io.modelcontextprotocol/protocolVersion in params._meta"
            raise RpcError(INVALID_REQUEST, message)

    async def _save(self, session: Session) -> None:
        """Keep the session, and follow what it wants to hear of."""
        self._session = session
        if self._listening is not None:
            self._listening.follow([*topics.LIST_CHANGED, *map(topics.resource, session.subscriptions)])

    def _on_notice(self, topic: str, fields: Fields) -> None:
        if not topics.concerns(self._principal, fields):
            return
        self._news[topic] = None
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        with suppress(WebSocketDisconnect):
            while self._news:
                topic = next(iter(self._news))
                del self._news[topic]
                await self._send(of_session(topic))

    async def _send(self, message: bytes | None) -> None:
        if message is not None:
            await self._socket.send_text(message.decode())


def _begin(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a task at once: one that need not wait is done then, and one that waits can be cancelled."""
    return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)


def _overloaded(message: Call | Batch, detail: str) -> RpcError:
    return RpcError(OVERLOADED, detail, message_id=None if isinstance(message, Batch) else message.message_id)
