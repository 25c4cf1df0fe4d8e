"""Changes of a tenant's tools and workflows are notified to its clients alone, on each transport."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from conftest import MakeApp, MakeToken
from definitions import order_tool, register
from event_streams import next_message
from fastapi import FastAPI
from mcp_clients import INITIALIZE, MODERN_META, HandshakeWebSocket, http_client, message, modern_headers
from outside import Outside

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

ACCEPT = {"Accept": "application/json, text/event-stream"}
CHANGED = "notifications/tools/list_changed"

type Next = Callable[[], Awaitable[str]]
"""Returns the method of the next notification."""


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app()


@asynccontextmanager
async def _socket(client: aiohttp.ClientSession) -> AsyncIterator[Next]:
    mcp = HandshakeWebSocket(client)
    await mcp.open()

    async def following() -> str:
        return str((await mcp.socket.receive_json())["method"])

    yield following
    await mcp.socket.close()


@asynccontextmanager
async def _session(client: aiohttp.ClientSession) -> AsyncIterator[Next]:
    async with client.post("/mcp", json=message("initialize", INITIALIZE), headers=ACCEPT) as response:
        headers = {"Mcp-Session-Id": response.headers["Mcp-Session-Id"], "Accept": "text/event-stream"}
    async with client.get("/mcp", headers=headers) as stream:

        async def following() -> str:
            return str((await next_message(stream))["method"])

        yield following


@asynccontextmanager
async def _listening(client: aiohttp.ClientSession) -> AsyncIterator[Next]:
    wanted = {"notifications": {"toolsListChanged": True}, "_meta": MODERN_META}
    headers = {**modern_headers("subscriptions/listen", wanted), **ACCEPT}
    async with client.post("/mcp", json=message("subscriptions/listen", wanted), headers=headers) as stream:
        await next_message(stream)

        async def following() -> str:
            return str((await next_message(stream))["method"])

        yield following


@pytest.mark.parametrize("connect", [_socket, _session, _listening])
async def test_another_tenants_change_is_not_notified(
    service: str,
    make_token: MakeToken,
    outside: Outside,
    connect: Callable[[aiohttp.ClientSession], "asynccontextmanager[AsyncIterator[Next]]"],
) -> None:
    acme, other = ({"Authorization": f"Bearer {make_token(tenant=name)}"} for name in ("acme", "other"))
    async with (
        aiohttp.ClientSession(service, headers=acme) as ours,
        aiohttp.ClientSession(service, headers=other) as theirs,
        http_client(service, headers=acme) as acme_client,
        connect(ours) as of_ours,
        connect(theirs) as of_theirs,
    ):
        await register(acme_client, order_tool(outside))
        async with asyncio.timeout(20):
            assert await of_ours() == CHANGED
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await of_theirs()


async def test_ones_own_change_is_notified_after_another_tenants(
    service: str, make_token: MakeToken, outside: Outside
) -> None:
    acme, other = ({"Authorization": f"Bearer {make_token(tenant=name)}"} for name in ("acme", "other"))
    async with http_client(service, headers=acme) as ours, http_client(service, headers=other) as theirs:
        mcp = HandshakeWebSocket(theirs)
        await mcp.open()
        await register(ours, order_tool(outside))
        await register(theirs, order_tool(outside, name="own"))
        assert (await mcp.socket.receive_json(timeout=5))["method"] == CHANGED
        with pytest.raises(TimeoutError):
            await mcp.socket.receive_json(timeout=1)
        await mcp.socket.close()
