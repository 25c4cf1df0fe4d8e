"""Batches of JSON-RPC messages, which revision 2025-03-26 alone has."""

import asyncio
from typing import Any

import aiohttp
import pytest
from mcp_clients import HANDSHAKE_METHODS, INITIALIZE, error_response, message, post
from stack import Stack

from mcp_server.protocol.jsonrpc import MAX_BATCH

PONG = {"jsonrpc": "2.0", "id": "a", "result": {}}
PING = message("ping", message_id="a")
NOTIFICATION = message("notifications/cancelled", {"requestId": 1}, message_id=None)
MIXED = [PING, NOTIFICATION, 5, message("sing", message_id=2), message("initialize", INITIALIZE, 3)]
MIXED_RESPONSES = [
    PONG,
    error_response(-32600, "The message is not a JSON object; send one request at a time, not a batch", None),
    error_response(-32601, f"There is no method 'sing'; there are {HANDSHAKE_METHODS}", 2),
    error_response(-32600, "Send initialize on its own", 3),
]


async def _connect(client: aiohttp.ClientSession, revision: str) -> aiohttp.ClientWebSocketResponse:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(message("initialize", {**INITIALIZE, "protocolVersion": revision}))
    assert (await socket.receive_json())["result"]["protocolVersion"] == revision
    return socket


async def test_each_request_of_a_batch_is_answered(client: aiohttp.ClientSession) -> None:
    for headers in ({}, {"MCP-Protocol-Version": "2025-03-26"}):
        assert await post(client, MIXED, **headers) == (200, MIXED_RESPONSES)
    socket = await _connect(client, "2025-03-26")
    await socket.send_json(MIXED)
    assert await socket.receive_json() == MIXED_RESPONSES


async def test_a_batch_of_notifications_is_acknowledged_without_an_answer(client: aiohttp.ClientSession) -> None:
    response = await client.post("/mcp", json=[NOTIFICATION, NOTIFICATION])
    assert (response.status, await response.read()) == (202, b"")
    socket = await _connect(client, "2025-03-26")
    await socket.send_json([NOTIFICATION])
    await socket.send_json(PING)
    assert await socket.receive_json() == PONG


async def test_calls_of_a_batch_run_at_the_same_time(client: aiohttp.ClientSession, stack: Stack) -> None:
    call = message("tools/call", {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}})
    stack.delay = 0.5
    async with asyncio.timeout(3):  # one after the other would take 4 s
        _, responses = await post(client, [call] * 8)
    assert [response["result"]["isError"] for response in responses] == [False] * 8


@pytest.mark.parametrize("count", [0, MAX_BATCH + 1])
async def test_a_batch_has_a_bounded_number_of_messages(client: aiohttp.ClientSession, count: int) -> None:
    refusal = error_response(-32600, f"The batch has {count} messages; send 1 to {MAX_BATCH}", None)
    assert await post(client, [PING] * count) == (400, refusal)
    socket = await _connect(client, "2025-03-26")
    await socket.send_json([PING] * count)
    assert await socket.receive_json() == refusal


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-06-18", "2025-11-25"])
async def test_other_revisions_have_no_batches(client: aiohttp.ClientSession, revision: str) -> None:
    text = "The message is not a JSON object; send one request at a time, not a batch"
    refusal: dict[str, Any] = error_response(-32600, text, None)
    assert await post(client, [PING], **{"MCP-Protocol-Version": revision}) == (400, refusal)
    socket = await _connect(client, revision)
    await socket.send_json([PING])
    assert await socket.receive_json() == refusal
