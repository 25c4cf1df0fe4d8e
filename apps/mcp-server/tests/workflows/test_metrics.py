"""What a service process counts, as Prometheus reads it at the admin listener."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from conftest import MakeToken
from definitions import BUILTIN
from mcp_clients import HandshakeHttp, HandshakeWebSocket, call_tool, http_client
from runner_process import RunnerProcess
from stack import Stack
from workflow_client import deploy, draft

from nexus_testkit import ServiceProcess

pytestmark = pytest.mark.usefixtures("no_workflows")


@pytest.fixture
async def process(
    environment: dict[str, str], stack: Stack, runner_process: RunnerProcess
) -> AsyncIterator[ServiceProcess]:
    urls = dict.fromkeys(("NEXUS_GATEWAY_URL", "NEXUS_CLASSIFICATION_URL", "NEXUS_DATAFLOW_URL"), stack.url)
    process = ServiceProcess(["-m", "mcp_server"], environment | urls | {"NEXUS_RUNNER_URL": runner_process.url})
    await asyncio.to_thread(process.wait_until_it_answers)
    yield process
    await asyncio.to_thread(process.stop)


async def _samples(process: ServiceProcess) -> dict[str, float]:
    text = await asyncio.to_thread(process.get, "/metrics", process.admin_port)
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


async def test_calls_runs_sessions_and_pools_are_counted(process: ServiceProcess, make_token: MakeToken) -> None:
    async with http_client(process.url, headers={"Authorization": f"Bearer {make_token()}"}) as client:
        await deploy(client, "one", draft("result = 1"))
        http, socket = HandshakeHttp(client), HandshakeWebSocket(client)
        await http.open()
        await socket.open()
        assert "result" in await call_tool(http, "get_product", id=1)
        assert "result" in await call_tool(http, "get_product", id=2)
        assert "result" in await call_tool(http, "get_product", id="x")
        assert "result" in await call_tool(socket, "run_workflow", workflow="one")
        samples = await _samples(process)
        await socket.socket.close()
    expected = {
        'mcp_tool_seconds_count{outcome="success",tool="get_product"}': 1,
        'mcp_tool_seconds_count{outcome="error",tool="get_product"}': 1,
        'mcp_tool_seconds_count{outcome="success",tool="run_workflow"}': 1,
        'mcp_calls_refused_total{reason="arguments"}': 1,
        'mcp_run_seconds_count{outcome="finished"}': 1,
        'mcp_sessions_total{change="began"}': 1,
        'mcp_connections{kind="websocket"}': 1,
        "mcp_runs_held": 0,
    }
    assert {name: samples.get(name) for name in expected} == expected
    assert {name for name in samples if name.startswith("pool_connections_used")} == {
        f'pool_connections_used{{pool="{pool}"}}' for pool in ("postgresql", "redis", "http")
    }
    assert all(samples[name] >= 0 for name in samples if name.startswith("pool_connections_used"))
    assert {part.split('"')[3] for part in samples if part.startswith("mcp_tool_seconds_count")} <= set(BUILTIN)
