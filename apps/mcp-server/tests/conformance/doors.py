"""The doors by which the suite reaches a server: it has no option for headers, and knows HTTP alone."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any

import aiohttp
from aiohttp import web

_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
_STATUS = {-32700: 400, -32600: 400, -32602: 400, -32020: 400, -32021: 400, -32022: 400, -32601: 404}
_MODERN = "2026-07-28"
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


def http_door(server: str, token: str) -> web.Application:
    """Passes each request on to the server's HTTP, with a token."""

    async def forward(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        headers["Authorization"] = f"Bearer {token}"
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, f"{server}{request.path}", headers=headers, data=await request.read()
            ) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            async for part in answer.content.iter_any():
                await response.write(part)
            return response

    return _application(forward)


def websocket_door(server: str, token: str) -> web.Application:
    """Sends each message to the server as a WebSocket frame, and returns the frames that answer it as events.

    A session of the handshake era is one connection; each request of the stateless era has one of its own.
    """
    door = _WebSocketDoor(server, token)
    return _application(door.handle)


def _application(handler: Any) -> web.Application:  # noqa: ANN401  aiohttp's own type of handlers
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


class _WebSocketDoor:
    def __init__(self, server: str, token: str) -> None:
        self._server = server
        self._token = token
        self._sessions: dict[str, _Session] = {}
        self._ids = count(1)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method == "DELETE":
            session = self._sessions.pop(request.headers["Mcp-Session-Id"])
            await session.close()
            return web.Response(status=204)
        if request.method != "POST":
            return web.Response(status=405)
        message = await request.json()
        try:
            if self._is_stateless(request, message):
                async with self._connected(request) as socket:
                    return await self._exchange_once(request, socket, message)
            return await self._exchange_in_session(request, message)
        except aiohttp.WSServerHandshakeError as refusal:
            return web.Response(status=refusal.status)

    def _is_stateless(self, request: web.Request, message: dict[str, Any]) -> bool:
        meta = message.get("params", {}).get("_meta", {})
        return request.headers.get("MCP-Protocol-Version") == _MODERN or _VERSION_KEY in meta

    @asynccontextmanager
    async def _connected(self, request: web.Request) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        kept = {name: request.headers[name] for name in ("Host", "Origin") if name in request.headers}
        headers = {"Authorization": f"Bearer {self._token}", **kept}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(f"{self._server}/mcp", protocols=["mcp"], max_msg_size=0) as socket,
        ):
            yield socket

    async def _exchange_once(
        self, request: web.Request, socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]
    ) -> web.StreamResponse:
        await socket.send_json(message)
        if "id" not in message:
            return web.Response(status=202)
        first = await socket.receive_json(timeout=30)
        if "error" in first:
            return web.json_response(first, status=_STATUS.get(first["error"]["code"], 200))
        response = await _begin(request)
        frame = first
        while True:
            await _write(response, frame)
            if frame.get("id") == message["id"] and "method" not in frame:
                return response
            frame = await socket.receive_json()

    async def _exchange_in_session(self, request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        session_id = request.headers.get("Mcp-Session-Id")
        if message.get("method") == "initialize":
            session_id = f"connection-{next(self._ids)}"
            self._sessions[session_id] = _Session(self._connected(request))
            await self._sessions[session_id].open()
        if session_id is None or session_id not in self._sessions:
            return web.Response(status=404 if session_id else 400)
        return await self._sessions[session_id].exchange(request, message, session_id)


class _Session:
    """A connection, and the answers that wait for frames of it. What belongs to no request goes to the newest."""

    def __init__(self, connecting: Any) -> None:  # noqa: ANN401  a context manager of a connection
        self._connecting = connecting
        self._waiting: dict[Any, asyncio.Queue[dict[str, Any]]] = {}

    async def open(self) -> None:
        self._socket = await self._connecting.__aenter__()
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._reading.cancel()
        await self._connecting.__aexit__(None, None, None)

    async def _read(self) -> None:
        with suppress(TypeError):  # the connection has ended
            while True:
                frame = await self._socket.receive_json()
                own = self._waiting.get(frame.get("id")) if "method" not in frame else None
                for queue in [own] if own else list(self._waiting.values())[-1:]:
                    queue.put_nowait(frame)

    async def exchange(self, request: web.Request, message: dict[str, Any], session_id: str) -> web.StreamResponse:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        waits = "id" in message and "method" in message
        if waits:
            self._waiting[message["id"]] = queue
        await self._socket.send_str(json.dumps(message))
        if not waits:
            return web.Response(status=202)
        response = await _begin(request, {"Mcp-Session-Id": session_id})
        try:
            while True:
                frame = await queue.get()
                await _write(response, frame)
                if frame.get("id") == message["id"] and "method" not in frame:
                    return response
        finally:
            del self._waiting[message["id"]]


async def _begin(request: web.Request, headers: dict[str, str] | None = None) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **(headers or {})})
    await response.prepare(request)
    return response


async def _write(response: web.StreamResponse, frame: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(frame).encode() + b"\n\n")


@asynccontextmanager
async def opened(door: web.Application, port: int) -> AsyncIterator[None]:
    """Serve a door on 127.0.0.1."""
    runner = web.AppRunner(door, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
