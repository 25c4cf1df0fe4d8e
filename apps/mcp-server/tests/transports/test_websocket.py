import time
from typing import Any

import aiohttp
import pytest
from conftest import SCOPES
from fastapi import FastAPI
from mcp_clients import INITIALIZE, HandshakeWebSocket, http_client, message
from stack import Stack, eventually

from mcp_server.limits import LIMITS, MAX_MESSAGE_BYTES
from mcp_server.transports import connection
from nexus_chassis.runtime import runtime_of
from nexus_testkit import Issuer


async def test_a_websocket_needs_the_subprotocol(client: aiohttp.ClientSession) -> None:
    for protocols in ([], ["mqtt"]):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/mcp", protocols=protocols)
        assert caught.value.status == 400


async def test_a_websocket_of_the_handshake_era_begins_with_initialize_once(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(message("ping"))
    assert await socket.receive_json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    await socket.send_json(message("tools/list"))
    begin = "Send initialize first, or io.modelcontextprotocol/protocolVersion in params._meta"
    assert (await socket.receive_json())["error"] == {"code": -32600, "message": begin}
    await socket.send_json(message("initialize", INITIALIZE))
    assert "result" in await socket.receive_json()
    await socket.send_json(message("initialize", INITIALIZE))
    text = "This connection is initialized already"
    assert (await socket.receive_json())["error"] == {"code": -32600, "message": text}
    await socket.close()


async def test_binary_frames_end_the_connection(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_bytes(b"{}")
    assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1003


async def test_a_message_has_at_most_one_mebibyte(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_str(" " * MAX_MESSAGE_BYTES)
    assert (await socket.receive_json())["error"]["message"] == "The message cannot be read: it is empty"
    header = b"\x81\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8) + bytes(4)  # text, masked, RFC 6455 section 5.2
    socket._writer.transport.write(header)  # noqa: SLF001 - no client sends what will be refused half way
    assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1009


async def test_an_idle_connection_ends_with_its_token(service: str, issuer: Issuer) -> None:
    token = issuer.mint("mcp-server", SCOPES, lifetime=3)
    async with http_client(service, headers={"Authorization": f"Bearer {token}"}) as client:
        socket = await client.ws_connect("/mcp", protocols=["mcp"])
        started = time.monotonic()
        assert (await socket.receive(timeout=15)).type == aiohttp.WSMsgType.CLOSE
        assert socket.close_code == 4401
        assert time.monotonic() - started > 1


async def test_clients_are_asked_to_reconnect_when_the_service_drains(
    app: FastAPI, client: aiohttp.ClientSession
) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    runtime_of(app).drain.start()
    assert (await socket.receive(timeout=15)).type == aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1012


def _classify(message_id: int) -> dict[str, Any]:
    return message("tools/call", {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}}, message_id)


async def test_calls_of_one_connection_run_at_the_same_time_up_to_a_limit(
    client: aiohttp.ClientSession, stack: Stack
) -> None:
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    stack.delay = 0.3
    started = time.monotonic()
    for number in range(connection.MAX_CALLS):
        await mcp.socket.send_json(_classify(number))
    await mcp.socket.send_json(message("ping", message_id="ping"))
    first = await mcp.socket.receive_json()
    assert first == {"jsonrpc": "2.0", "id": "ping", "result": {}}
    answered = [(await mcp.socket.receive_json())["id"] for _ in range(connection.MAX_CALLS)]
    assert sorted(answered) == list(range(connection.MAX_CALLS))
    assert time.monotonic() - started < connection.MAX_CALLS * stack.delay / 2


async def test_calls_beyond_those_that_may_wait_are_refused(client: aiohttp.ClientSession, stack: Stack) -> None:
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    stack.delay = 1
    allowed = connection.MAX_CALLS + connection.MAX_WAITING
    for number in range(allowed + 1):
        await mcp.socket.send_json(_classify(number))
    refusal = {"code": 4503, "message": f"This connection has {allowed} calls in flight. Wait for answers."}
    assert await mcp.socket.receive_json() == {"jsonrpc": "2.0", "id": allowed, "error": refusal}
    answers = [await mcp.socket.receive_json() for _ in range(allowed)]
    assert sorted(answer["id"] for answer in answers) == list(range(allowed))
    assert {answer["result"]["isError"] for answer in answers} == {False}


@pytest.mark.parametrize("count", [1, connection.MAX_CALLS + 1])
async def test_a_client_that_leaves_cancels_the_calls_behind(
    client: aiohttp.ClientSession, stack: Stack, count: int
) -> None:
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    stack.delay = 10
    running = min(count, connection.MAX_CALLS)
    for number in range(count):
        await mcp.socket.send_json(_classify(number))
    await eventually(lambda: len(stack.requests.get("/v1/classify", [])) == running)
    await mcp.socket.close()
    await eventually(lambda: stack.cancelled == ["/v1/classify"] * running)


async def test_memory_of_messages_is_given_back(client: aiohttp.ClientSession, stack: Stack) -> None:
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    text = "x" * 900_000
    arguments = {"name": "classify_products", "arguments": {"products": [{"text": text}]}}
    for _ in range(2 * LIMITS.body_bytes // len(text)):
        assert (await mcp.request("tools/call", arguments))["result"]["isError"] is False
    assert len(stack.requests["/v1/classify"]) == 2 * LIMITS.body_bytes // len(text)
