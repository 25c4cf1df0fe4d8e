"""While Redis is away, whatever needs no session goes on."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import MakeSettings
from fixtures_of_suite import catalogue
from mcp_clients import (
    INITIALIZE,
    MODERN_META,
    HandshakeWebSocket,
    ModernHttp,
    ModernWebSocket,
    error_response,
    http_client,
    message,
    post,
)

from mcp_server.app import create_app
from nexus_testkit import serving

OVERLOADED = "A store that this request needs does not answer now. Try again later."
TASKS = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


@pytest.fixture
async def alone(make_settings: MakeSettings, token: str, unused_tcp_port: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service whose Redis is away."""
    settings = make_settings(redis_url=f"redis://127.0.0.1:{unused_tcp_port}/0")
    app = create_app(settings, lambda _upstreams, notices: catalogue(notices))
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    async with serving(app) as url, http_client(url, headers=headers) as client:
        yield client


async def test_tools_are_called_without_a_session(alone: aiohttp.ClientSession) -> None:
    call = {"name": "test_simple_text"}
    for kind in (ModernHttp, ModernWebSocket, HandshakeWebSocket):
        mcp = kind(alone)
        await mcp.open()
        assert (await mcp.request("tools/call", call))["result"]["isError"] is False
        if not isinstance(mcp, ModernHttp):
            await mcp.socket.close()


async def test_sessions_and_tasks_are_refused_until_it_is_back(alone: aiohttp.ClientSession) -> None:
    assert await post(alone, message("initialize", INITIALIZE)) == (200, error_response(4503, OVERLOADED))
    response = await alone.post("/mcp", json=message("ping"), headers={"Mcp-Session-Id": "x"})
    assert (response.status, (await response.json())["type"]) == (503, "urn:nexus:problem:store-unavailable")
    mcp = ModernWebSocket(alone)
    await mcp.open()
    capable = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": TASKS}
    assert await mcp.request("tools/call", {"name": "slow_compute"}, capable) == error_response(4503, OVERLOADED)
    await mcp.socket.close()
