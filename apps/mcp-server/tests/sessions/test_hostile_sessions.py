"""What becomes of a session whose token ends or loses scopes, and of clients that read or write slowly."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from conftest import SCOPES, MakeSettings
from definitions import FOR_ALICE
from fastapi import FastAPI
from mcp_clients import (
    HandshakeHttp,
    HandshakeWebSocket,
    ModernHttp,
    ModernWebSocket,
    call_tool,
    http_client,
    message,
)
from stack import Stack, eventually

from mcp_server.app import create_app
from mcp_server.catalogue import Catalogue
from mcp_server.tools.registry import Arguments, Content, Tool
from mcp_server.tools.request import Request
from nexus_chassis.runtime import runtime_of
from nexus_testkit import Issuer, serving

HTTP = [HandshakeHttp, ModernHttp]
WEBSOCKET = [HandshakeWebSocket, ModernWebSocket]
CALL: dict[str, Any] = {"name": "classify_products", "arguments": {"products": [{"text": "x"}]}}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("kind", HTTP)
async def test_a_token_that_expires_in_mid_session_is_refused_and_a_new_one_goes_on(
    service: str, issuer: Issuer, kind: type[HandshakeHttp | ModernHttp]
) -> None:
    async with http_client(service, headers=_bearer(issuer.mint("mcp-server", SCOPES, lifetime=2))) as client:
        mcp = kind(client)
        await mcp.open()
        assert "result" in await call_tool(mcp, "list_products")
        await asyncio.sleep(2.1)
        session = mcp.session if isinstance(mcp, HandshakeHttp) else {}
        async with client.post("/mcp", json=message("tools/list"), headers=session) as response:
            assert response.status == 401
            assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
        client.headers.update(_bearer(issuer.mint("mcp-server", SCOPES)))
        assert "result" in await call_tool(mcp, "list_products")


@pytest.mark.parametrize("kind", WEBSOCKET)
async def test_a_token_that_expires_during_a_call_ends_the_connection_and_the_call(
    service: str, issuer: Issuer, stack: Stack, kind: type[HandshakeWebSocket | ModernWebSocket]
) -> None:
    stack.delay = 30
    async with http_client(service, headers=_bearer(issuer.mint("mcp-server", SCOPES, lifetime=2))) as client:
        mcp = kind(client)
        await mcp.open()
        calling = asyncio.create_task(mcp.request("tools/call", CALL))
        await eventually(lambda: "/v1/classify" in stack.requests)
        with pytest.raises(aiohttp.WSMessageTypeError):
            await calling
        assert mcp.socket.close_code == 4401
        await eventually(lambda: stack.cancelled == ["/v1/classify"])


@pytest.mark.parametrize("kind", HTTP)
async def test_a_token_that_expires_during_a_call_over_http_does_not_cut_its_answer(
    service: str, issuer: Issuer, stack: Stack, kind: type[HandshakeHttp | ModernHttp]
) -> None:
    stack.delay = 2.2
    async with http_client(service, headers=_bearer(issuer.mint("mcp-server", SCOPES, lifetime=2))) as client:
        mcp = kind(client)
        await mcp.open()
        assert (await mcp.request("tools/call", CALL))["result"]["isError"] is False


@pytest.mark.parametrize("kind", HTTP)
async def test_scopes_lost_in_mid_session_are_lost_at_once(
    service: str, issuer: Issuer, stack: Stack, kind: type[HandshakeHttp | ModernHttp]
) -> None:
    async with http_client(service, headers=_bearer(issuer.mint("mcp-server", SCOPES))) as client:
        mcp = kind(client)
        await mcp.open()
        assert await _listed(mcp) == FOR_ALICE
        client.headers.update(_bearer(issuer.mint("mcp-server", ["tools:call", "data:read"])))
        assert await _listed(mcp) == FOR_ALICE[FOR_ALICE.index("list_products") :]
        assert (await mcp.request("tools/call", CALL))["error"]["code"] == 4403
        assert "/v1/classify" not in stack.requests
        assert "result" in await call_tool(mcp, "list_products")
        client.headers.update(_bearer(issuer.mint("mcp-server", ["data:read"])))
        session = mcp.session if isinstance(mcp, HandshakeHttp) else {}
        async with client.post("/mcp", json=message("tools/list"), headers=session) as response:
            assert (response.status, (await response.json())["type"]) == (403, "urn:nexus:problem:insufficient-scope")


async def _listed(mcp: HandshakeHttp | ModernHttp) -> list[str]:
    return [tool["name"] for tool in (await mcp.request("tools/list"))["result"]["tools"]]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "localhost.evil.example", "[::1"])
async def test_a_request_for_another_host_is_refused_on_both_transports(service: str, token: str, host: str) -> None:
    async with http_client(service, headers={**_bearer(token), "Host": host}) as client:
        assert (await client.post("/mcp", json=message("ping"))).status in {400, 403, 421}
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect("/mcp", protocols=["mcp"])
        assert caught.value.status in {400, 403, 421}


TEXT = "x" * 100_000
SEND_SECONDS = 3.0  # a call that waited for the client that does not read would take as long


@pytest.fixture
def flooding_app(make_settings: MakeSettings) -> FastAPI:
    """A service with a tool whose messages fill every buffer on the way to a client that does not read."""

    async def flood(_arguments: Arguments, request: Request) -> Content:
        for _ in range(1000):
            await request.log("info", TEXT)
        return Content([])

    async def add(_arguments: Arguments, _request: Request) -> Content:
        return Content([])

    tools = [
        Tool(name, name, name, {"type": "object"}, None, frozenset(), run)
        for name, run in (("flood", flood), ("add", add))
    ]
    return create_app(make_settings(), lambda _upstreams, _notices: Catalogue(tools=tools))


@pytest.fixture
async def flooding(flooding_app: FastAPI) -> AsyncIterator[str]:
    async with serving(flooding_app) as url:
        yield url


def _flood(token: str, url: str) -> bytes:
    """A request that begins a flood over HTTP."""
    meta = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},'
    meta += '"io.modelcontextprotocol/logLevel":"debug"}'
    body = f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"flood","_meta":{meta}}}}}'
    return (
        f"POST /mcp HTTP/1.1\r\nHost: {url.removeprefix('http://')}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: flood\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


async def test_a_client_that_reads_nothing_over_http_is_cut_and_delays_nobody(
    flooding: str, flooding_app: FastAPI, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_server.transports.events._SEND_SECONDS", SEND_SECONDS)
    port = int(flooding.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as slow:
        slow.sendall(_flood(token, flooding))
        admission = runtime_of(flooding_app).admission
        await eventually(lambda: admission._running == 1)  # noqa: SLF001
        assert await _slowest_call(flooding, token) < SEND_SECONDS / 2
        await eventually(lambda: admission._running == 0)  # noqa: SLF001


async def test_a_client_that_reads_nothing_over_websocket_is_cut_and_delays_nobody(
    flooding: str, flooding_app: FastAPI, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nexus_chassis.websocket_session._SEND_SECONDS", SEND_SECONDS)
    admission = runtime_of(flooding_app).admission
    async with http_client(flooding, headers=_bearer(token)) as client:
        mcp = HandshakeWebSocket(client)
        await mcp.open()
        transport = mcp.socket._writer.transport  # noqa: SLF001  no client has a way to stop reading
        transport.pause_reading()
        await mcp.socket.send_json(message("tools/call", {"name": "flood"}))
        await eventually(lambda: admission._running == 1)  # noqa: SLF001
        assert await _slowest_call(flooding, token) < SEND_SECONDS / 2
        await eventually(lambda: admission._running == 0)  # noqa: SLF001
        transport.abort()


async def _slowest_call(url: str, token: str) -> float:
    slowest = 0.0
    async with http_client(url, headers=_bearer(token)) as client:
        for _ in range(20):
            started = time.monotonic()
            assert "result" in await call_tool(ModernHttp(client), "add")
            slowest = max(slowest, time.monotonic() - started)
    return slowest


async def test_clients_that_never_end_a_message_delay_nobody(flooding: str, token: str) -> None:
    """Each sends the head of a frame of 60,000 bytes, and then some bytes from time to time."""
    async with http_client(flooding, headers=_bearer(token)) as client:
        sockets = [await client.ws_connect("/mcp", protocols=["mcp"]) for _ in range(50)]
        for slow in sockets:
            slow._writer.transport.write(b"\x81\xfe" + (60_000).to_bytes(2) + bytes(4))  # noqa: SLF001
        for _ in range(10):
            for slow in sockets:
                slow._writer.transport.write(b"    ")  # noqa: SLF001
            assert await _slowest_call(flooding, token) < SEND_SECONDS / 2
        for slow in sockets:
            slow._writer.transport.abort()  # noqa: SLF001
