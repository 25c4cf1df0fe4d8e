"""Redis is killed while a hundred tasks run: each one ends, also where Redis has lost its data."""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import pytest
from conftest import MakeSettings
from mcp_clients import MODERN_META, http_client, message, modern_headers
from redis.asyncio import Redis

from mcp_server.app import create_app
from mcp_server.catalogue import Catalogue
from mcp_server.tools.registry import Arguments, Content, Tool
from mcp_server.tools.request import Request
from nexus_testkit import serving
from nexus_testkit.tcp_proxy import TcpProxy

TASKS = 100
AWAY_SECONDS = 3.0
OVERLOADED = 4503
TASK_EXTENSION = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
META = {**MODERN_META, "io.modelcontextprotocol/clientCapabilities": TASK_EXTENSION}
SCHEMA = {"type": "object", "properties": {"gate": {"type": "string"}}, "required": ["gate"]}


class Processes(NamedTuple):
    """Clients of two servers with a tool that waits at a gate, and their Redis."""

    first: aiohttp.ClientSession
    second: aiohttp.ClientSession
    proxy: TcpProxy
    gates: dict[str, asyncio.Event]


@pytest.fixture
async def processes(make_settings: MakeSettings, redis_url: str, token: str) -> AsyncIterator[Processes]:
    gates = {"meanwhile": asyncio.Event(), "afterwards": asyncio.Event()}

    async def wait(arguments: Arguments, request: Request) -> Content:
        await gates[arguments["gate"]].wait()
        await request.progress(1)
        return Content([{"type": "text", "text": "done"}])

    tool = Tool("wait", "wait", "Waits.", SCHEMA, None, frozenset(), wait, task="optional")
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(TcpProxy(redis_url))
        clients = []
        for _ in range(2):
            settings = make_settings(redis_url=proxy.instead_of(redis_url))
            app = create_app(settings, lambda _upstreams, _notices: Catalogue(tools=[tool]))
            url = await stack.enter_async_context(serving(app))
            headers = {"Authorization": f"Bearer {token}"}
            clients.append(await stack.enter_async_context(http_client(url, headers=headers)))
        yield Processes(clients[0], clients[1], proxy, gates)
        for gate in gates.values():
            gate.set()


async def _send(client: aiohttp.ClientSession, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    full = {**params, "_meta": META}
    async with client.post("/mcp", json=message(method, full), headers=modern_headers(method, full)) as response:
        return dict(await response.json())


async def _end(client: aiohttp.ClientSession, task_id: str) -> str:
    """How a task ends, or "unknown"."""
    while True:
        answer = await _send(client, "tasks/get", taskId=task_id)
        if "result" in answer and answer["result"]["status"] != "working":
            return str(answer["result"]["status"])
        if answer.get("error", {}).get("code", OVERLOADED) != OVERLOADED:
            return "unknown"
        await asyncio.sleep(0.2)


@pytest.mark.parametrize("data", ["kept", "lost"])
async def test_every_one_of_a_hundred_tasks_ends_when_redis_is_killed(
    processes: Processes, redis_url: str, capfd: pytest.CaptureFixture[str], data: str
) -> None:
    first, second, proxy, gates = processes
    ids = []
    for number in range(TASKS):
        arguments = {"gate": "meanwhile" if number % 2 else "afterwards"}
        ids.append((await _send(first, "tools/call", name="wait", arguments=arguments))["result"]["taskId"])
    await proxy.cut()
    if data == "lost":
        async with Redis.from_url(redis_url) as redis:
            await redis.flushdb()
    refused = await _send(second, "tasks/get", taskId=ids[0])
    assert refused["error"]["code"] == OVERLOADED
    gates["meanwhile"].set()
    await asyncio.sleep(AWAY_SECONDS)
    await proxy.start()
    gates["afterwards"].set()
    async with asyncio.timeout(60):
        ends = Counter([await _end(first, task_id) for task_id in ids])
        seen = Counter([await _end(second, task_id) for task_id in ids])
    with capfd.disabled():
        sys.stdout.write(f"\nfigure: Redis killed during {TASKS} tasks: {dict(ends)}\n")
    assert ends == seen == {"completed": TASKS}


async def test_a_task_whose_lease_ended_while_redis_was_away_is_not_reported_as_left_behind(
    processes: Processes, redis_url: str
) -> None:
    first, second, proxy, gates = processes
    arguments = {"gate": "afterwards"}
    task_id = (await _send(first, "tools/call", name="wait", arguments=arguments))["result"]["taskId"]
    await proxy.cut()
    async with Redis.from_url(redis_url) as redis:
        await redis.delete(f"mcp:task-lease:{task_id}")
    await asyncio.sleep(6)  # so that both have seen it
    await proxy.start()
    assert (await _send(second, "tasks/get", taskId=task_id))["result"]["status"] == "working"
    gates["afterwards"].set()
    assert await _end(second, task_id) == "completed"
