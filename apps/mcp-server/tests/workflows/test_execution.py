"""Runs as mcp-server asks for them, by the runner as a process."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from runner_process import RunnerProcess

from mcp_server.runner import wire
from mcp_server.workflows.errors import DataNodeRefusedError, RunLostError, RunnerUnavailableError
from mcp_server.workflows.execution import WorkflowRunner
from nexus_testkit.process import free_port

LIST_AND_COUNT = {
    "name": "count",
    "nodes": {
        "list": {"node_type": "ProductListNode", "config": {"limit": 2}},
        "count": {"node_type": "PythonCodeNode", "config": {"name": "count", "code": "result = len(records)"}},
    },
    "connections": [
        {"source_node": "list", "source_output": "records", "target_node": "count", "target_input": "records"}
    ],
}
DATA_NODES = {"ProductListNode": ["filter", "limit"]}


@pytest.fixture(scope="module")
def process() -> Iterator[RunnerProcess]:
    process = RunnerProcess()
    yield process
    process.stop()


@pytest.fixture
def runner(process: RunnerProcess) -> WorkflowRunner:
    return WorkflowRunner("127.0.0.1", process.port)


def code(text: str) -> wire.Start:
    config = {"name": "only", "code": text}
    return wire.Start(definition={"name": "w", "nodes": {"only": {"node_type": "PythonCodeNode", "config": config}}})


async def ignore(_log: wire.Log) -> None:
    """Take no notice of a log."""


async def refuse(_node: str, _parameters: dict[str, Any]) -> dict[str, Any]:
    raise DataNodeRefusedError("The token lacks the scope data:read.")


async def test_data_nodes_run_here_and_their_rows_reach_the_workflow(runner: WorkflowRunner) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    async def run_node(node: str, parameters: dict[str, Any]) -> dict[str, Any]:
        asked.append((node, parameters))
        return {"records": [{"id": 1}, {"id": 2}]}

    end = await runner.run(wire.Start(definition=LIST_AND_COUNT, data_nodes=DATA_NODES), ignore, run_node)
    assert asked == [("ProductListNode", {"limit": 2})]
    assert isinstance(end, wire.Finished)
    assert end.outputs["count"] == {"result": 2}


async def test_a_refused_data_node_fails_the_run_with_the_reason(runner: WorkflowRunner) -> None:
    end = await runner.run(wire.Start(definition=LIST_AND_COUNT, data_nodes=DATA_NODES), ignore, refuse)
    assert isinstance(end, wire.Failed)
    assert "ProductListNode: The token lacks the scope data:read." in end.detail


async def test_a_data_node_with_too_many_rows_fails_the_run_with_the_reason(runner: WorkflowRunner) -> None:
    async def run_node(_node: str, _parameters: dict[str, Any]) -> dict[str, Any]:
        return {"records": ["x" * wire.MAX_LINE_BYTES]}

    end = await runner.run(wire.Start(definition=LIST_AND_COUNT, data_nodes=DATA_NODES), ignore, run_node)
    assert isinstance(end, wire.Failed)
    assert f"Its outputs cannot be sent: it has more than {wire.MAX_LINE_BYTES} bytes. Ask for less." in end.detail


async def test_what_a_run_prints_arrives_while_it_runs(runner: WorkflowRunner) -> None:
    printed = asyncio.Event()

    async def on_log(log: wire.Log) -> None:
        if log.message == "started":
            printed.set()

    running = asyncio.create_task(runner.run(code("print('started')\nwhile True: pass"), on_log, refuse))
    async with asyncio.timeout(20):
        await printed.wait()
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_cancelled_run_makes_room_for_others(runner: WorkflowRunner) -> None:
    for _ in range(4):  # twice as many as run at once
        running = asyncio.create_task(runner.run(code("while True: pass"), ignore, refuse))
        await asyncio.sleep(0.2)
        running.cancel()
    async with asyncio.timeout(20):
        assert isinstance(await runner.run(code("result = 1"), ignore, refuse), wire.Finished)


async def test_a_runner_that_is_away_is_reported_before_anything_runs() -> None:
    with pytest.raises(RunnerUnavailableError):
        await WorkflowRunner("127.0.0.1", free_port()).run(code("result = 1"), ignore, refuse)


async def test_a_run_whose_runner_is_killed_is_reported_as_lost() -> None:
    process = RunnerProcess()
    runner = WorkflowRunner("127.0.0.1", process.port)
    await runner.run(code("result = 1"), ignore, refuse)
    running = asyncio.create_task(runner.run(code("while True: pass"), ignore, refuse))
    await asyncio.sleep(0.3)
    os.kill(process.process.pid, signal.SIGKILL)
    with pytest.raises(RunLostError):
        await running
    process.process.wait(10)
