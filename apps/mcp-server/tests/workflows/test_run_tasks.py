"""Tools that run a deployed workflow: within the call, and as tasks, which are runs by the same id."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from conftest import MakeToken
from event_streams import next_message
from mcp_clients import (
    CLIENTS,
    MODERN_META,
    McpClient,
    call_tool,
    error_response,
    failure_of,
    http_client,
    message,
    modern_headers,
    success_of,
)
from workflow_client import arguments_of, deploy, draft, get, post, put_alias, start, until, until_logged

from mcp_server.workflows import run_service

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

CAPABLE = {
    **MODERN_META,
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
}
DIVIDE = draft("import time\nprint('dividing')\ntime.sleep(seconds)\nresult = {'share': 12 // a}") | {
    "inputSchema": arguments_of("a", "seconds"),
    "inputs": {"only": {"a": "a", "seconds": "seconds"}},
}
SHARE = {"type": "object", "properties": {"share": {"type": "integer", "maximum": 6}}, "required": ["share"]}


def tool(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    """A tool that runs the workflow."""
    number = {"type": "number"}
    schema = {"type": "object", "properties": {"a": number, "seconds": number}, "required": ["a", "seconds"]}
    common = {"name": "divide", "description": "Divide 12.", "inputSchema": schema, "outputSchema": SHARE}
    return {**common, "workflow": {"name": "divide", "alias": "live"}, **changes}


@pytest.fixture
async def tool_client(deployer: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """A client of a server with this tool."""
    await deploy(deployer, "divide", DIVIDE, arguments={"a": 1, "seconds": 0})
    assert (await deployer.post("/v1/tools", json=tool())).status == 201
    return deployer


async def _send(client: aiohttp.ClientSession, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  JSON
    full = {**params, "_meta": CAPABLE}
    async with client.post("/mcp", json=message(method, full), headers=modern_headers(method, full)) as response:
        return dict(await response.json())


async def _begin(client: aiohttp.ClientSession, **arguments: float) -> dict[str, Any]:
    result: dict[str, Any] = (await _send(client, "tools/call", name="divide", arguments=arguments))["result"]
    assert result["resultType"] == "task", result
    return result


async def _task(client: aiohttp.ClientSession, task_id: str, *statuses: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            task: dict[str, Any] = (await _send(client, "tasks/get", taskId=task_id))["result"]
            if task["status"] in statuses:
                return task
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_client_without_tasks_gets_the_result_of_the_run(
    tool_client: aiohttp.ClientSession, kind: Callable[[aiohttp.ClientSession], McpClient]
) -> None:
    mcp = kind(tool_client)
    await mcp.open()
    assert await call_tool(mcp, "divide", a=4, seconds=0) == success_of(mcp, {"share": 3})
    failed = await call_tool(mcp, "divide", a=0, seconds=0)
    (run,) = (await get(tool_client, "divide/runs?limit=1"))["items"]
    assert (run["state"], run["reason"]) == ("failed", "error")
    text = failed["result"]["content"][0]["text"]
    assert text.startswith(f"The run {run['run_id']} failed (error): The node 'only' failed: ")
    assert failed == failure_of(mcp, text)


async def test_a_run_is_a_task_and_an_http_resource_at_once(
    tool_client: aiohttp.ClientSession, replica: aiohttp.ClientSession
) -> None:
    task = await _begin(tool_client, a=4, seconds=1)
    assert (task["status"], task["pollIntervalMs"]) == ("working", 1000)
    run = await get(replica, f"divide/runs/{task['taskId']}")
    assert run["state"] in {"queued", "running"}
    ended = await _task(replica, task["taskId"], "completed")
    assert ended["result"] == {
        "content": [{"type": "text", "text": '{"share":3}'}],
        "structuredContent": {"share": 3},
        "isError": False,
    }
    run = await get(tool_client, f"divide/runs/{task['taskId']}")
    assert (run["state"], run["result"]) == ("finished", {"share": 3})


async def test_a_run_that_was_started_over_http_is_a_task(tool_client: aiohttp.ClientSession) -> None:
    run = await until(tool_client, await start(tool_client, "divide", a=6, seconds=0))
    task = await _task(tool_client, run["run_id"], "completed")
    assert task["result"]["structuredContent"] == {"share": 2}


async def test_the_failure_of_a_workflow_is_a_result_and_that_of_the_server_an_error(
    tool_client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = await _task(tool_client, (await _begin(tool_client, a=0, seconds=0))["taskId"], "completed")
    assert task["result"]["isError"] is True
    monkeypatch.setattr("mcp_server.workflows.run_execution.MAX_ATTEMPTS", 0)
    task = await _task(tool_client, (await _begin(tool_client, a=1, seconds=0))["taskId"], "failed")
    assert task["error"]["code"] == -32603
    assert "failed (lost): The process that ran it ended before it did." in task["error"]["message"]


async def test_a_result_that_breaks_the_schema_of_the_tool_is_no_success(tool_client: aiohttp.ClientSession) -> None:
    task = await _task(tool_client, (await _begin(tool_client, a=1, seconds=0))["taskId"], "completed")
    assert task["result"]["isError"] is True
    assert "does not agree with its schema: share: 12 is greater" in task["result"]["content"][0]["text"]


async def test_cancelling_the_task_cancels_the_run(
    tool_client: aiohttp.ClientSession, replica: aiohttp.ClientSession
) -> None:
    task = await _begin(tool_client, a=1, seconds=60)
    run = {"name": "divide", "run_id": task["taskId"]}
    await until_logged(tool_client, run, 1)
    assert (await _send(replica, "tasks/cancel", taskId=task["taskId"]))["result"]["resultType"] == "complete"
    assert (await until(tool_client, run))["state"] == "cancelled"
    assert (await _task(tool_client, task["taskId"], "cancelled"))["taskId"] == task["taskId"]


async def test_a_client_that_leaves_ends_the_run_of_its_call(tool_client: aiohttp.ClientSession) -> None:
    full = {"name": "divide", "arguments": {"a": 1, "seconds": 60}, "_meta": MODERN_META}
    headers = modern_headers("tools/call", full)
    call = asyncio.create_task(tool_client.post("/mcp", json=message("tools/call", full), headers=headers))
    async with asyncio.timeout(20):
        while not (runs := (await get(tool_client, "divide/runs"))["items"]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await until_logged(tool_client, {"name": "divide", **runs[0]}, 1)
    call.cancel()
    assert (await until(tool_client, {"name": "divide", **runs[0]}))["state"] == "cancelled"


async def test_a_call_that_takes_longer_than_the_tool_may_ends_the_run(tool_client: aiohttp.ClientSession) -> None:
    assert (await tool_client.post("/v1/tools", json=tool(timeout_seconds=1.0))).status == 201
    full = {"name": "divide", "arguments": {"a": 1, "seconds": 60}, "_meta": MODERN_META}
    headers = modern_headers("tools/call", full)
    async with tool_client.post("/mcp", json=message("tools/call", full), headers=headers) as response:
        text = (await response.json())["result"]["content"][0]["text"]
    (run,) = (await get(tool_client, "divide/runs"))["items"]
    assert text == f"The run {run['run_id']} took longer than 1 s, and was ended."
    assert run["state"] == "cancelled"


async def test_another_users_or_clients_run_is_an_unknown_task(
    workflow_service: str, tool_client: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    task_id = (await _begin(tool_client, a=1, seconds=60))["taskId"]
    unknown = error_response(-32602, f"There is no task '{task_id}'; it may have expired")
    for claims in ({"subject": "bob"}, {"client_id": "another"}, {"tenant": "acme"}):
        headers = {"Authorization": f"Bearer {make_token(**claims)}", "Accept": "application/json"}
        async with http_client(workflow_service, headers=headers) as other:
            for method in ("tasks/get", "tasks/cancel"):
                assert await _send(other, method, taskId=task_id) == unknown
            assert await _send(other, "tasks/update", taskId=task_id, inputResponses={}) == unknown
    assert (await get(tool_client, f"divide/runs/{task_id}"))["state"] in {"queued", "running"}
    await post(tool_client, f"divide/runs/{task_id}/cancel")


async def test_changes_of_a_run_are_notified(
    workflow_service: str, tool_client: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    task_id = (await _begin(tool_client, a=4, seconds=2))["taskId"]
    full = {"notifications": {"taskIds": [task_id]}, "_meta": CAPABLE}
    headers = {**modern_headers("subscriptions/listen", full), "Accept": "application/json, text/event-stream"}
    headers["Authorization"] = f"Bearer {make_token()}"
    body = message("subscriptions/listen", full)
    async with (
        asyncio.timeout(20),
        aiohttp.ClientSession(workflow_service) as session,
        session.post("/mcp", json=body, headers=headers) as stream,
    ):
        assert (await next_message(stream))["method"] == "notifications/subscriptions/acknowledged"
        statuses = []
        while "completed" not in statuses:
            notice = await next_message(stream)
            assert (notice["method"], notice["params"]["taskId"]) == ("notifications/tasks", task_id)
            statuses.append(notice["params"]["status"])
    assert notice["params"]["result"]["structuredContent"] == {"share": 3}


async def test_the_alias_decides_what_a_tool_runs(tool_client: aiohttp.ClientSession) -> None:
    other = DIVIDE | draft("result = {'share': 5}", inputSchema=arguments_of("a", "seconds"))
    other |= {"inputs": {"only": {"a": "a", "seconds": "seconds"}}}
    await deploy(tool_client, "divide", other)
    mcp = CLIENTS[0](tool_client)
    await mcp.open()
    assert await call_tool(mcp, "divide", a=4, seconds=0) == success_of(mcp, {"share": 5})
    assert (await put_alias(tool_client, "divide", "live", 1))[0] == 200
    assert await call_tool(mcp, "divide", a=4, seconds=0) == success_of(mcp, {"share": 3})


async def test_a_tool_of_an_alias_that_is_not_there_cannot_be_registered(deployer: aiohttp.ClientSession) -> None:
    response = await deployer.post("/v1/tools", json=tool())
    assert response.status == 422
    assert (await response.json())["detail"] == (
        "The tool 'divide' cannot be registered: There is no alias 'live' of the workflow 'divide'."
    )


async def test_a_workflow_cannot_run_another_one(tool_client: aiohttp.ClientSession) -> None:
    nodes = {"t": {"node_type": "ToolNode", "config": {"tool": "divide", "arguments": {"a": 4, "seconds": 0}}}}
    await deploy(tool_client, "nested", draft(nodes))
    ended = await until(tool_client, await start(tool_client, "nested"))
    assert ended["state"] == "failed"
    assert "A workflow cannot run another one." in ended["detail"]


async def test_a_user_with_too_many_runs_is_told_so(
    tool_client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_service, "MAX_OPEN", 0)
    mcp = CLIENTS[0](tool_client)
    await mcp.open()
    text = "You have 0 runs that have not ended. Wait for some to end, or cancel them."
    assert await call_tool(mcp, "divide", a=4, seconds=0) == failure_of(mcp, text)
