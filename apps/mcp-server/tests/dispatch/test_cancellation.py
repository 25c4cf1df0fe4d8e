"""Cancelling a request reaches the service behind the tool."""

import asyncio
from typing import Any

import aiohttp
import pytest
from mcp_clients import (
    MODERN_META,
    HandshakeHttp,
    HandshakeWebSocket,
    ModernWebSocket,
    error_response,
    message,
)
from stack import Stack, eventually

CALL: dict[str, Any] = {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}}


def _cancel(message_id: object) -> dict[str, Any]:
    return message("notifications/cancelled", {"requestId": message_id, "reason": "enough"}, message_id=None)


@pytest.mark.parametrize("kind", [HandshakeWebSocket, ModernWebSocket])
async def test_cancelling_over_websocket_ends_the_request_behind_and_is_not_answered(
    client: aiohttp.ClientSession, stack: Stack, kind: type[HandshakeWebSocket | ModernWebSocket]
) -> None:
    mcp = kind(client)
    await mcp.open()
    stack.delay = 10
    params = CALL if kind is HandshakeWebSocket else {**CALL, "_meta": MODERN_META}
    await mcp.socket.send_json(message("tools/call", params, "call"))
    await eventually(lambda: "/v1/classify" in stack.requests)
    await mcp.socket.send_json(_cancel("call"))
    await eventually(lambda: stack.cancelled == ["/v1/classify"])
    await mcp.socket.send_json(_cancel("unknown"))
    stack.delay = 0
    answer = await mcp.request("tools/call", CALL)
    assert (answer["id"], answer["result"]["isError"]) == (1, False)


async def test_a_cancellation_that_follows_at_once_is_not_lost(client: aiohttp.ClientSession, stack: Stack) -> None:
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    stack.delay = 10
    for number in range(20):
        await mcp.socket.send_json(message("tools/call", CALL, number))
        await mcp.socket.send_json(_cancel(number))
    stack.delay = 0
    assert (await mcp.request("ping"))["result"] == {}
    assert (await mcp.request("tools/call", CALL))["id"] == 1


async def test_cancelling_in_an_http_session_ends_the_request_behind(
    client: aiohttp.ClientSession, stack: Stack
) -> None:
    mcp = HandshakeHttp(client)
    await mcp.open()
    stack.delay = 10
    calling = asyncio.create_task(client.post("/mcp", json=message("tools/call", CALL, 7), headers=mcp.session))
    await eventually(lambda: "/v1/classify" in stack.requests)
    assert (await client.post("/mcp", json=_cancel(7), headers=mcp.session)).status == 202
    await eventually(lambda: stack.cancelled == ["/v1/classify"])
    response = await calling
    assert (response.status, await response.read()) == (202, b"")


async def test_a_request_of_another_session_cannot_be_cancelled(client: aiohttp.ClientSession, stack: Stack) -> None:
    mcp, other = HandshakeHttp(client), HandshakeHttp(client)
    await mcp.open()
    await other.open()
    stack.delay = 0.5
    calling = asyncio.create_task(client.post("/mcp", json=message("tools/call", CALL, 7), headers=mcp.session))
    await eventually(lambda: "/v1/classify" in stack.requests)
    for headers in (other.session, {}):
        assert (await client.post("/mcp", json=_cancel(7), headers=headers)).status == 202
    assert (await (await calling).json())["result"]["isError"] is False


async def test_the_id_of_a_request_in_flight_is_refused(client: aiohttp.ClientSession, stack: Stack) -> None:
    refusal = error_response(-32600, "A request with the id 7 is in flight", 7)
    stack.delay = 0.5
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    for _ in range(2):
        await mcp.socket.send_json(message("tools/call", CALL, 7))
    assert await mcp.socket.receive_json() == refusal
    assert (await mcp.socket.receive_json())["result"]["isError"] is False
    session = HandshakeHttp(client)
    await session.open()
    posts = [client.post("/mcp", json=message("tools/call", CALL, 7), headers=session.session) for _ in range(2)]
    answers = [await response.json() for response in await asyncio.gather(*posts)]
    assert refusal in answers
    assert [answer["result"]["isError"] for answer in answers if "result" in answer] == [False]
