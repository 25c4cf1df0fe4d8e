"""The client of the official Python SDK, over either transport: it has none for WebSocket, but takes one from here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp_types.jsonrpc import jsonrpc_message_adapter
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol


@asynccontextmanager
async def websocket_transport(url: str, token: str) -> AsyncIterator[Any]:
    """Streams of messages that go over a WebSocket, one in a text frame."""
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)

    async def read(socket: ClientConnection) -> None:
        async with to_session:
            with suppress(ConnectionClosed):
                async for text in socket:
                    await to_session.send(SessionMessage(jsonrpc_message_adapter.validate_json(text)))

    async def write(socket: ClientConnection) -> None:
        async with from_session:
            async for message in from_session:
                await socket.send(message.message.model_dump_json(by_alias=True, exclude_unset=True))

    headers = {"Authorization": f"Bearer {token}"}
    address = f"{url.replace('http', 'ws', 1)}/mcp"
    async with connect(address, subprotocols=[Subprotocol("mcp")], additional_headers=headers) as socket:
        tasks = [asyncio.create_task(read(socket)), asyncio.create_task(write(socket))]
        try:
            yield from_server, to_server
        finally:
            await to_server.aclose()
            await from_server.aclose()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def sdk_client(transport: str, mode: str, url: str, token: str, **options: Any) -> AsyncIterator[Client]:  # noqa: ANN401  those of Client
    """An SDK client that has begun; `mode` is "legacy", "auto" or a revision."""
    if transport == "websocket":
        async with Client(websocket_transport(url, token), mode=mode, **options) as client:
            yield client
        return
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode, **options) as client,
    ):
        yield client
