"""What a call costs in PostgreSQL that is cancelled 50 ms after its statement began, as a share of a whole call.

Run: python benchmarks/cancelling.py
from the app's folder, with the app, its tests and nexus_testkit on PYTHONPATH, NEXUS_TEST_POSTGRES_URL and
NEXUS_TEST_REDIS_URL. The server is a process of its own. The service behind the tool list_products runs a statement that
needs CPU and nothing else, for 1 to 2 s, on a connection of its own, which it closes when its request ends; a call has cost
what its statement took until it was gone from pg_stat_activity.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import aiohttp
import asyncpg
from busy_database import AFTER_SECONDS, Database, until_it_runs
from call_cost import META, environment_of, temporary_schema
from mcp_clients import HandshakeHttp, ModernWebSocket, http_client, message, modern_headers
from stack import SECRET, Stack, eventually, running

from nexus_testkit import ServiceProcess

SHARE = 0.2
CALL: dict[str, Any] = {"name": "list_products", "arguments": {}}
MODERN: dict[str, Any] = {**CALL, "_meta": META}


async def cancel_over_websocket(client: aiohttp.ClientSession, database: Database) -> None:
    """Call, and send notifications/cancelled."""
    mcp = ModernWebSocket(client)
    await mcp.open()
    await mcp.socket.send_json(message("tools/call", MODERN, 7))
    await until_it_runs(database)
    await mcp.socket.send_json(message("notifications/cancelled", {"requestId": 7}, None))
    await eventually(lambda: bool(database.busy))
    await mcp.socket.close()


async def leave_over_http(client: aiohttp.ClientSession, database: Database) -> None:
    """Call, and close the connection."""
    headers = modern_headers("tools/call", MODERN)
    call = asyncio.create_task(client.post("/mcp", json=message("tools/call", MODERN), headers=headers))
    await until_it_runs(database)
    call.cancel()
    with suppress(asyncio.CancelledError):
        await call
    await eventually(lambda: bool(database.busy))


async def cancel_in_session(client: aiohttp.ClientSession, database: Database) -> None:
    """Call in a session over HTTP, and send notifications/cancelled by another request."""
    mcp = HandshakeHttp(client)
    await mcp.open()
    call = asyncio.create_task(client.post("/mcp", json=message("tools/call", CALL, 7), headers=mcp.session))
    await until_it_runs(database)
    await client.post("/mcp", json=message("notifications/cancelled", {"requestId": 7}, None), headers=mcp.session)
    await eventually(lambda: bool(database.busy))
    await call


WAYS: dict[str, Callable[[aiohttp.ClientSession, Database], Awaitable[None]]] = {
    "WebSocket, notifications/cancelled": cancel_over_websocket,
    "HTTP, the client leaves": leave_over_http,
    "HTTP session, notifications/cancelled": cancel_in_session,
}


async def report(client: aiohttp.ClientSession, database: Database) -> None:
    """Print the figures."""
    mcp = HandshakeHttp(client)
    await mcp.open()
    await mcp.request("tools/call", CALL)
    full = database.busy.pop()
    print(f"whole call: its statement took {full:.2f} s")
    for way, cancel in WAYS.items():
        await cancel(client, database)
        share, left = database.busy.pop() / full, await database.statements()
        print(
            f"{way}: cancelled {AFTER_SECONDS * 1000:g} ms in: asked <= {SHARE} of a whole call, measured {share:.3f}"
        )
        print(f"{way}: asked 0 statements left in pg_stat_activity, measured {left}")


async def measure(postgres: SplitResult) -> None:
    """Run the servers."""
    with tempfile.TemporaryDirectory() as folder:
        async with environment_of(Path(folder), postgres) as (environment, issuer), running(Stack(issuer)) as stack:
            (Path(folder) / "client_secret").write_text(SECRET)
            urls = dict.fromkeys(("NEXUS_GATEWAY_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_DATAFLOW_URL"), stack.url)
            async with asyncpg.create_pool(postgres.geturl(), min_size=2, max_size=2) as watching:
                database = Database(postgres.geturl(), watching)
                stack.misbehave["/v1/product"] = database.work
                process = ServiceProcess(["-m", "mcp_server"], environment | urls)
                try:
                    await asyncio.to_thread(process.wait_until_it_answers)
                    token = issuer.mint("mcp-server", ["tools:call", "data:read"])
                    async with http_client(process.url, headers={"Authorization": f"Bearer {token}"}) as client:
                        await report(client, database)
                finally:
                    await asyncio.to_thread(process.stop)


if __name__ == "__main__":
    with temporary_schema() as url:
        asyncio.run(measure(url))
