"""Cancelling a call 50 ms after it began: the statement behind it ends, after a fraction of what it would take."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from busy_database import Database, until_it_runs
from mcp_clients import MODERN_META, HandshakeHttp, HandshakeWebSocket, ModernWebSocket, message, modern_headers
from stack import Stack, eventually

CALL: dict[str, Any] = {"name": "list_products", "arguments": {}}
SHARE = 0.2


@pytest.fixture
async def database(postgres_url: str, stack: Stack) -> AsyncIterator[Database]:
    async with asyncpg.create_pool(postgres_url, min_size=2, max_size=2) as watching:
        database = Database(postgres_url, watching)
        stack.misbehave["/v1/product"] = database.work
        yield database


async def _full(client: aiohttp.ClientSession, database: Database) -> float:
    """Seconds of the statement of a call that nobody cancels."""
    mcp = HandshakeHttp(client)
    await mcp.open()
    assert (await mcp.request("tools/call", CALL))["result"]["isError"] is False
    return database.busy.pop()


async def _cancelled(database: Database, full: float) -> None:
    await eventually(lambda: bool(database.busy))
    assert await database.statements() == 0
    share = database.busy[0] / full
    sys.stdout.write(f"figure: statement of a cancelled call: {share:.3f} of a full one (<= {SHARE})\n")
    assert share <= SHARE


@pytest.mark.parametrize("kind", [HandshakeWebSocket, ModernWebSocket])
async def test_cancelling_over_websocket_ends_the_statement(
    client: aiohttp.ClientSession, database: Database, kind: type[HandshakeWebSocket | ModernWebSocket]
) -> None:
    full = await _full(client, database)
    mcp = kind(client)
    await mcp.open()
    params = CALL if kind is HandshakeWebSocket else {**CALL, "_meta": MODERN_META}
    await mcp.socket.send_json(message("tools/call", params, 7))
    await until_it_runs(database)
    await mcp.socket.send_json(message("notifications/cancelled", {"requestId": 7}, None))
    await _cancelled(database, full)
    await mcp.socket.close()


async def test_closing_the_connection_over_http_ends_the_statement(
    service: str, client: aiohttp.ClientSession, database: Database, token: str
) -> None:
    full = await _full(client, database)
    params = {**CALL, "_meta": MODERN_META}
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as leaving:
        call = leaving.post("/mcp", json=message("tools/call", params), headers=modern_headers("tools/call", params))
        calling = asyncio.create_task(call.__aenter__())
        await until_it_runs(database)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    await _cancelled(database, full)


async def test_cancelling_in_an_http_session_ends_the_statement(
    client: aiohttp.ClientSession, database: Database
) -> None:
    full = await _full(client, database)
    mcp = HandshakeHttp(client)
    await mcp.open()
    calling = asyncio.create_task(client.post("/mcp", json=message("tools/call", CALL, 7), headers=mcp.session))
    await until_it_runs(database)
    await client.post("/mcp", json=message("notifications/cancelled", {"requestId": 7}, None), headers=mcp.session)
    await _cancelled(database, full)
    await calling
