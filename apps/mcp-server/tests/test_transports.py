import asyncio
import io
import time
from typing import Any

import aiohttp
import pytest
from conftest import SCOPES, MakeSettings
from stack import Stack
from talk import INITIALIZE, HandshakeWebSocket, message

from mcp_server.app import create_app
from mcp_server.transports import websocket
from nexus_testkit import Issuer, serving

METADATA = 'resource_metadata="http://localhost:3000/.well-known/oauth-protected-resource/mcp"'


async def _refusal(service: str, headers: dict[str, str]) -> list[tuple[int, str | None, str]]:
    """Status, challenge and problem type with which HTTP and then WebSocket refuse."""
    refusals = []
    async with aiohttp.ClientSession(service, headers=headers) as client:
        response = await client.post("/mcp", json=message("initialize", INITIALIZE))
        body = await response.json(content_type="application/problem+json")
        refusals.append((response.status, response.headers.get("WWW-Authenticate"), body["type"]))
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/mcp", protocols=["mcp"])
        assert caught.value.headers is not None
        refusals.append((caught.value.status, caught.value.headers.get("WWW-Authenticate"), body["type"]))
    return refusals


async def test_without_a_token_clients_are_pointed_to_the_metadata(service: str) -> None:
    assert await _refusal(service, {}) == [(401, f"Bearer {METADATA}", "urn:nexus:problem:unauthorized")] * 2


async def test_tokens_for_other_services_are_refused(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('nexus-gateway', SCOPES)}"}
    challenge = f'Bearer error="invalid_token", {METADATA}'
    assert await _refusal(service, headers) == [(401, challenge, "urn:nexus:problem:unauthorized")] * 2


async def test_a_token_needs_the_scope_for_tools(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['classify'])}"}
    challenge = f'Bearer error="insufficient_scope", scope="tools:call", {METADATA}'
    assert await _refusal(service, headers) == [(403, challenge, "urn:nexus:problem:insufficient-scope")] * 2


async def test_a_tool_call_over_http_without_its_scope_names_all_scopes_to_ask_for(
    service: str, issuer: Issuer
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call'])}"}
    async with aiohttp.ClientSession(service, headers=headers) as client:
        response = await client.post("/mcp", json=message("tools/call", {"name": "list_products"}))
    challenge = f'Bearer error="insufficient_scope", scope="data:read tools:call", {METADATA}'
    assert (response.status, response.headers["WWW-Authenticate"]) == (403, challenge)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
async def test_web_pages_of_other_origins_are_refused(service: str, token: str, origin: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Origin": origin}
    assert await _refusal(service, headers) == [(403, None, "urn:nexus:problem:origin-not-allowed")] * 2


async def test_web_pages_of_an_allowed_origin_may_connect(client: aiohttp.ClientSession) -> None:
    headers = {"Origin": "https://agents.example"}
    assert (await client.post("/mcp", json=message("ping"), headers=headers)).status == 200
    assert (await client.ws_connect("/mcp", protocols=["mcp"], headers=headers)).protocol == "mcp"


async def test_a_websocket_needs_the_subprotocol(client: aiohttp.ClientSession) -> None:
    for protocols in ([], ["mqtt"]):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/mcp", protocols=protocols)
        assert caught.value.status == 400


@pytest.mark.parametrize("path", ["", "/mcp"])
async def test_the_metadata_names_the_resource_and_who_gives_tokens(service: str, issuer: Issuer, path: str) -> None:
    async with aiohttp.ClientSession(service) as client:
        response = await client.get(f"/.well-known/oauth-protected-resource{path}")
        assert await response.json() == {
            "resource": "http://localhost:3000/mcp",
            "resource_name": "Nexus MCP server",
            "authorization_servers": [issuer.url],
            "scopes_supported": ["classify", "data:read", "tools:call"],
            "bearer_methods_supported": ["header"],
        }


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_there_is_no_event_stream_and_no_http_session(client: aiohttp.ClientSession, method: str) -> None:
    response = await client.request(method, "/mcp")
    assert (response.status, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "status", "slug"),
    [
        ({"Content-Type": "text/plain"}, 415, "not-json"),
        ({"Content-Type": "application/json", "Accept": "text/event-stream"}, 406, "json-not-accepted"),
    ],
)
async def test_http_takes_and_gives_json(
    client: aiohttp.ClientSession, headers: dict[str, str], status: int, slug: str
) -> None:
    response = await client.post("/mcp", data=b"{}", headers=headers)
    problem = await response.json(content_type="application/problem+json")
    assert (response.status, problem["type"]) == (status, f"urn:nexus:problem:{slug}")


async def test_messages_beyond_sixteen_megabytes_are_refused(client: aiohttp.ClientSession) -> None:
    body = io.BytesIO(b" " * (16 * 1024 * 1024 + 1))
    response = await client.post("/mcp", data=body, headers={"Content-Type": "application/json"})
    assert response.status == 413
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    header = b"\x81\xff" + (16 * 1024 * 1024 + 1).to_bytes(8) + bytes(4)  # text, masked, RFC 6455 section 5.2
    socket._writer.transport.write(header)  # noqa: SLF001 - no client sends what will be refused half way
    assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1009


async def test_a_websocket_of_the_handshake_era_begins_with_initialize_once(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(message("ping"))
    assert await socket.receive_json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    await socket.send_json(message("tools/list"))
    begin = "Begin with initialize, or send io.modelcontextprotocol/protocolVersion in params._meta"
    assert (await socket.receive_json())["error"] == {"code": -32600, "message": begin}
    await socket.send_json(message("initialize", INITIALIZE))
    assert "result" in await socket.receive_json()
    await socket.send_json(message("initialize", INITIALIZE))
    told = "This connection is initialized already"
    assert (await socket.receive_json())["error"] == {"code": -32600, "message": told}


async def test_binary_frames_end_the_connection(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_bytes(b"{}")
    assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 1003


async def test_a_connection_ends_with_its_token(service: str, issuer: Issuer) -> None:
    token = issuer.mint("mcp-server", SCOPES, lifetime=2)
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as client:
        talk = HandshakeWebSocket(client)
        await talk.open()
        await asyncio.sleep(2)
        await talk.socket.send_json(message("ping"))
        assert (await talk.socket.receive()).type == aiohttp.WSMsgType.CLOSE
        assert talk.socket.close_code == 4401


def _classify(message_id: int) -> dict[str, Any]:
    return message("tools/call", {"name": "classify_products", "arguments": {"products": ["x"]}}, message_id)


async def test_calls_of_one_connection_run_at_the_same_time_up_to_a_limit(
    client: aiohttp.ClientSession, stack: Stack
) -> None:
    talk = HandshakeWebSocket(client)
    await talk.open()
    await talk.ask("tools/call", _classify(0)["params"])
    stack.delay = 0.3
    started = time.monotonic()
    for number in range(websocket.MOST_CALLS):
        await talk.socket.send_json(_classify(number))
    await talk.socket.send_json(message("ping", message_id="ping"))
    first = await talk.socket.receive_json()
    assert first == {"jsonrpc": "2.0", "id": "ping", "result": {}}
    answered = [(await talk.socket.receive_json())["id"] for _ in range(websocket.MOST_CALLS)]
    assert sorted(answered) == list(range(websocket.MOST_CALLS))
    assert time.monotonic() - started < websocket.MOST_CALLS * stack.delay / 2

    for number in range(websocket.MOST_CALLS + 1):
        await talk.socket.send_json(_classify(number))
    await talk.socket.send_json(message("ping", message_id="ping"))
    assert (await talk.socket.receive_json())["id"] != "ping"


async def test_what_runs_for_a_connection_ends_with_it(client: aiohttp.ClientSession, stack: Stack) -> None:
    talk = HandshakeWebSocket(client)
    await talk.open()
    stack.delay = 0.5
    await talk.socket.send_json(_classify(1))
    await asyncio.sleep(0.1)
    assert _calls_under_way() == 1
    await talk.socket.close()
    await asyncio.sleep(0.1)
    assert _calls_under_way() == 0


def _calls_under_way() -> int:
    return sum("_Connection._finish" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_without_the_issuers_keys_a_caller_is_told_to_come_back(
    make_settings: MakeSettings, token: str, unused_tcp_port: int
) -> None:
    settings = make_settings(jwks_url=f"http://127.0.0.1:{unused_tcp_port}/jwks.json")
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(settings)) as url, aiohttp.ClientSession(url, headers=headers) as client:
        response = await client.post("/mcp", json=message("ping"))
        assert (response.status, response.headers["Retry-After"]) == (503, "5")
