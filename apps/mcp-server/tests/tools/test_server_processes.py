"""Registered tools at server processes of their own, and a thousand of them."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import asyncpg
import pytest
from conftest import MakeToken
from definitions import BUILTIN, order_tool, register, registered
from mcp_clients import HandshakeWebSocket, call_tool, http_client, success_of
from outside import Outside
from stack import Stack

from nexus_testkit import ServiceProcess

TOOLS = 1000
CALLS = 150

pytestmark = pytest.mark.usefixtures("no_tools")

type Start = Callable[[], ServiceProcess]


@pytest.fixture
async def start(environment: dict[str, str], stack: Stack, outside: Outside) -> AsyncIterator[Start]:
    """Starts server processes that may call the server outside, by its address."""
    urls = dict.fromkeys(("NEXUS_GATEWAY_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_DATAFLOW_URL"), stack.url)
    allowed = {"NEXUS_TOOL_HOSTS": _address(outside), "NEXUS_TOOL_RATES": "standard=100000/60"}
    processes: list[ServiceProcess] = []

    def begin() -> ServiceProcess:
        processes.append(ServiceProcess(["-m", "mcp_server"], environment | urls | allowed))
        return processes[-1]

    yield begin
    for process in processes:
        await asyncio.to_thread(process.stop)


def _address(outside: Outside) -> str:
    return f"http://127.0.0.1:{outside.port}"


@asynccontextmanager
async def _client(process: ServiceProcess, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    await asyncio.to_thread(process.wait_until_it_answers)
    async with http_client(process.url, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


async def test_what_a_process_registers_is_there_at_the_others_also_after_it_was_killed(
    start: Start, outside: Outside, make_token: MakeToken
) -> None:
    token, first, second = make_token(), start(), start()
    async with _client(first, token) as one, _client(second, token) as two:
        mcp = HandshakeWebSocket(two)
        await mcp.open()
        definition = order_tool(outside, http={"server": _address(outside)})
        assert (await register(one, definition))[0] == 201
        started = time.monotonic()
        notice = await mcp.socket.receive_json(timeout=5)
        assert (notice["method"], time.monotonic() - started < 3) == ("notifications/tools/list_changed", True)
        assert await registered(two) == ["get_order"]
        first.process.kill()
        assert await call_tool(mcp, "get_order", number="7") == success_of(mcp, {"ok": True})
        async with _client(start(), token) as three:
            assert await registered(three) == ["get_order"]
            assert (await three.delete("/v1/tools/get_order")).status == 204
        assert (await mcp.socket.receive_json(timeout=5))["method"] == "notifications/tools/list_changed"
        assert await registered(two) == []
        await mcp.socket.close()


async def _fill(schema_url: str, outside: Outside, tenant: str, count: int) -> None:
    """Write tools as the service does, but at once."""
    connection = await asyncpg.connect(schema_url, server_settings={"app.tenant": tenant})
    names = [f"tool_{number:04}" for number in range(count)]
    texts = [json.dumps(order_tool(outside, name, http={"server": _address(outside)})) for name in names]
    async with connection.transaction():
        await connection.execute("INSERT INTO tools SELECT $1, unnest($2::text[]), 1", tenant, names)
        await connection.execute(
            "INSERT INTO tool_versions SELECT $1, name, 1, text::json, name, 'tests' "
            "FROM unnest($2::text[], $3::text[]) AS given (name, text)",
            tenant,
            names,
            texts,
        )
        await connection.execute("INSERT INTO tool_generations VALUES ($1, 1)", tenant)
    await connection.close()


async def _milliseconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    await work()  # type: ignore[misc]
    return (time.perf_counter() - started) * 1000


async def test_a_thousand_tools_cost_a_call_no_more_than_one(
    start: Start, outside: Outside, make_token: MakeToken, schema_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    process = start()
    times: dict[tuple[str, int], list[float]] = {}
    clients = {}
    async with _client(process, make_token(tenant="few")) as few, _client(process, make_token(tenant="many")) as many:
        for tenant, count, client in (("few", 1, few), ("many", TOOLS, many)):
            await _fill(schema_url, outside, tenant, count)
            clients[count] = HandshakeWebSocket(client)
            await clients[count].open()
            first = await _milliseconds(lambda mcp=clients[count]: mcp.request("tools/list"))
            times["first list", count] = [first]
            assert len((await clients[count].request("tools/list"))["result"]["tools"]) == len(BUILTIN) + count
        for _ in range(CALLS):
            for count, mcp in clients.items():
                call = await _milliseconds(lambda mcp=mcp: call_tool(mcp, "tool_0000", number="7"))
                unknown = await _milliseconds(lambda mcp=mcp: call_tool(mcp, "get_product", id="x"))
                times.setdefault(("call over HTTP", count), []).append(call)
                times.setdefault(("built-in call", count), []).append(unknown)
        for _ in range(20):
            for count, mcp in clients.items():
                listing = await _milliseconds(lambda mcp=mcp: mcp.request("tools/list"))
                times.setdefault(("list", count), []).append(listing)
        for mcp in clients.values():
            await mcp.socket.close()
    medians = {key: statistics.median(values) for key, values in times.items()}
    with capfd.disabled():
        sys.stdout.write(
            "".join(f"\n{what}, {count} tools: {ms:.2f} ms" for (what, count), ms in medians.items()) + "\n"
        )
    for what in ("call over HTTP", "built-in call"):
        assert medians[what, TOOLS] < 1.3 * medians[what, 1] + 0.2
    assert medians["list", TOOLS] < 100
