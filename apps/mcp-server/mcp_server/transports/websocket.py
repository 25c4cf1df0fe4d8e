"""WebSocket with the subprotocol `mcp`: JSON-RPC messages in text frames, in both directions, both eras."""

import asyncio
from contextlib import suppress

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from mcp_server.context import get_context
from mcp_server.dispatch.context import RequestContext
from mcp_server.dispatch.responses import Handle, respond, respond_to_batch
from mcp_server.dispatch.router import MethodRouter
from mcp_server.protocol import jsonrpc, stateless
from mcp_server.protocol.errors import OVERLOADED, RpcError
from mcp_server.protocol.handshake import Handshake
from mcp_server.protocol.jsonrpc import Batch
from mcp_server.protocol.messages import Call, Result
from mcp_server.transports.errors import SubprotocolMissingError
from nexus_chassis.admission import Admission
from nexus_chassis.problems import Problem, problem_of
from nexus_chassis.routing import Router
from nexus_chassis.runtime import runtime_of
from nexus_chassis.tokens import Principal
from nexus_chassis.websocket_session import WebSocketSession

SUBPROTOCOL = "mcp"

MAX_CALLS = 32
"""Tool calls of one connection that run at the same time; further ones wait."""

MAX_WAITING = 64
"""Tool calls of one connection that wait; further ones are refused."""

_WAITS = frozenset({"tools/call"})
_SMALL_BYTES = 1024  # a message up to this size may wait without a reservation of memory

router = Router()


@router.websocket("/mcp")
async def connect(socket: WebSocket) -> None:
    """Serve one connection."""
    context = await get_context(socket)
    try:
        principal = await context.authenticator.authenticate(socket)
        _require_subprotocol(socket)
    except (Problem, SubprotocolMissingError) as error:
        if (problem := problem_of(socket.app, error)) is None:
            raise
        await socket.send_denial_response(problem.response())
        return
    await socket.accept(SUBPROTOCOL)
    session = WebSocketSession(socket, principal, context.revocations)
    await session.run(_Connection(session, principal, context.methods, runtime_of(socket).admission).serve())


def _require_subprotocol(socket: WebSocket) -> None:
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        raise SubprotocolMissingError(SUBPROTOCOL)


class _Connection:
    """An open connection."""

    def __init__(
        self, session: WebSocketSession, principal: Principal, methods: MethodRouter, admission: Admission
    ) -> None:
        self._session = session
        self._principal = principal
        self._methods = methods
        self._admission = admission
        self._handshake = Handshake()
        self._room = asyncio.Semaphore(MAX_CALLS)
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Receive messages until the connection ends; then cancel what still runs for it."""
        try:
            async for text in self._session.messages():
                await self._receive(text)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _receive(self, text: str) -> None:
        try:
            message = jsonrpc.read(text, batches=self._handshake.batches)
            if isinstance(message, Batch) or message.method in _WAITS:
                await self._start(message, len(text))
            else:
                await self._send(await respond(message, self._handler(RequestContext(self._principal))))
        except RpcError as error:
            await self._send(jsonrpc.failure(error.message_id, error))

    async def _start(self, message: Call | Batch, size: int) -> None:
        """Answer a message that may take a while, without making those behind it wait."""
        if len(self._running) >= MAX_CALLS + MAX_WAITING:
            raise _overloaded(message, f"This connection has {len(self._running)} calls in flight. Wait for answers.")
        try:
            reserved = await self._reserve(size)
        except Problem as problem:
            raise _overloaded(message, problem.detail) from None
        task = asyncio.create_task(self._finish(message))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: self._admission.release(self._principal.subject, reserved))

    async def _reserve(self, size: int) -> int:
        if size <= _SMALL_BYTES:
            return 0
        await self._admission.reserve(self._principal.subject, size)
        return size

    async def _finish(self, message: Call | Batch) -> None:
        async with self._room:
            with suppress(WebSocketDisconnect):  # the connection ended while the tool ran
                await self._answer(message)

    async def _answer(self, message: Call | Batch) -> None:
        """Answer a message while it counts as a request in flight, as one over HTTP does."""
        try:
            ticket = await self._admission.enter()
        except Problem as problem:
            error = _overloaded(message, problem.detail)
            await self._send(jsonrpc.failure(error.message_id, error))
            return
        try:
            await self._send(await self._respond(message, RequestContext(self._principal, ticket)))
        finally:
            ticket.close()

    async def _respond(self, message: Call | Batch, context: RequestContext) -> bytes | None:
        if isinstance(message, Batch):
            return await respond_to_batch(message, self._handler(context))
        return await respond(message, self._handler(context))

    def _handler(self, context: RequestContext) -> Handle:
        async def handle(call: Call) -> Result:
            if stateless.is_stateless(call):
                return await self._methods.stateless(call, context)
            self._handshake.check(call)
            result = await self._methods.handshake(call, context)
            self._handshake.complete(call)
            return result

        return handle

    async def _send(self, message: bytes | None) -> None:
        if message is not None:
            await self._session.send_text(message.decode())


def _overloaded(message: Call | Batch, detail: str) -> RpcError:
    return RpcError(OVERLOADED, detail, message_id=None if isinstance(message, Batch) else message.message_id)
