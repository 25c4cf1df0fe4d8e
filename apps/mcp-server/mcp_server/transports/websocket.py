"""WebSocket with the subprotocol `mcp`: one JSON-RPC message per text frame, in both directions, both eras."""

import asyncio
import time
from contextlib import suppress

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from mcp_server.protocol import jsonrpc, revisions
from mcp_server.protocol.jsonrpc import Call, RpcError
from mcp_server.protocol.methods import Methods
from mcp_server.transports.admission import admit
from nexus_chassis.problems import Problem
from nexus_chassis.tokens import Principal

SUBPROTOCOL = "mcp"
UNSUPPORTED_DATA = 1003
TOKEN_EXPIRED = 4401
"""Close code when the token with which the connection was opened has ended."""

MOST_CALLS = 32
"""Tool calls of one connection that run at the same time; further messages wait."""

router = APIRouter()


@router.websocket("/mcp")
async def connect(websocket: WebSocket) -> None:
    """Serve one connection."""
    try:
        caller = await admit(websocket)
        _check_subprotocol(websocket)
    except Problem as problem:
        await websocket.send_denial_response(problem.response())
        return
    await websocket.accept(SUBPROTOCOL)
    await _Connection(websocket, caller, websocket.app.state.methods).serve()


def _check_subprotocol(websocket: WebSocket) -> None:
    if SUBPROTOCOL not in websocket.scope["subprotocols"]:
        detail = f"Connect with the WebSocket subprotocol '{SUBPROTOCOL}'."
        raise Problem(400, "subprotocol-needed", "The subprotocol is missing", detail)


class _Connection:
    """An open connection. A client of the handshake era begins with `initialize`."""

    def __init__(self, websocket: WebSocket, caller: Principal, methods: Methods) -> None:
        self._websocket = websocket
        self._caller = caller
        self._methods = methods
        self._initialized = False
        self._room = asyncio.Semaphore(MOST_CALLS)
        self._running: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Take messages until the connection ends; then cancel what still runs for it."""
        try:
            with suppress(WebSocketDisconnect):
                while (text := await self._receive()) is not None:
                    await self._take(text)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def _receive(self) -> str | None:
        """Give the next message, None at the end of the connection."""
        frame = await self._websocket.receive()
        if frame["type"] == "websocket.disconnect":
            return None
        if self._caller.expires_at <= time.time():
            await self._websocket.close(TOKEN_EXPIRED, "The access token has expired. Connect with a new one.")
            return None
        text: str | None = frame.get("text")
        if text is None:
            await self._websocket.close(UNSUPPORTED_DATA, "Messages are text frames.")
        return text

    async def _take(self, text: str) -> None:
        try:
            call = jsonrpc.read(text)
        except RpcError as error:
            await self._send(jsonrpc.failure(error.message_id, error))
            return
        if call.is_notification:
            return
        if call.method == "tools/call":
            await self._start(call)
        else:
            await self._send(await self._answer(call))

    async def _start(self, call: Call) -> None:
        await self._room.acquire()
        task = asyncio.create_task(self._finish(call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _finish(self, call: Call) -> None:
        try:
            with suppress(WebSocketDisconnect, RuntimeError):  # the connection ended while the tool ran
                await self._send(await self._answer(call))
        finally:
            self._room.release()

    async def _answer(self, call: Call) -> bytes:
        try:
            return jsonrpc.success(call.message_id, await self._handle(call))
        except RpcError as error:
            return jsonrpc.failure(call.message_id, error)

    async def _handle(self, call: Call) -> jsonrpc.Result:
        if revisions.is_modern(call):
            return await self._methods.modern(call, self._caller)
        self._check_turn(call)
        result = await self._methods.handshake(call, self._caller)
        self._initialized = self._initialized or call.method == "initialize"
        return result

    def _check_turn(self, call: Call) -> None:
        if call.method == "initialize" and self._initialized:
            raise RpcError(jsonrpc.INVALID_REQUEST, "This connection is initialized already")
        if not self._initialized and call.method not in {"initialize", "ping"}:
            message = f"Begin with initialize, or send {revisions.VERSION_KEY} in params._meta"
            raise RpcError(jsonrpc.INVALID_REQUEST, message)

    async def _send(self, message: bytes) -> None:
        await self._websocket.send_text(message.decode())
