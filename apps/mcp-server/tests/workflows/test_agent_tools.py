"""The built-in tools by which agents find, run and inspect workflows, on each transport and in both eras."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from conftest import DEPLOYER_SCOPES, SCOPES, MakeToken
from mcp_clients import (
    CLIENTS,
    MODERN_META,
    HandshakeHttp,
    HandshakeWebSocket,
    McpClient,
    ModernWebSocket,
    call_tool,
    failure_of,
    http_client,
    message,
    modern_headers,
)
from workflow_client import arguments_of, deploy, draft, get, post, until, until_logged

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

CAPABLE = {
    **MODERN_META,
    "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
}
DIVIDE = draft("import time\nprint('dividing')\ntime.sleep(seconds)\nresult = {'share': 12 // a}") | {
    "inputSchema": arguments_of("a", "seconds"),
    "outputSchema": {"type": "object"},
    "inputs": {"only": {"a": "a", "seconds": "seconds"}},
}
TIMES = ("created_at", "started_at", "ended_at")


@pytest.fixture
async def divider(deployer: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """A client of a server with a workflow that divides 12 by `a`."""
    DIVIDE["definition"]["description"] = "Divides 12."
    await deploy(deployer, "divide", DIVIDE, arguments={"a": 1, "seconds": 0})
    return deployer


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.__name__)
async def agent(request: pytest.FixtureRequest, divider: aiohttp.ClientSession) -> AsyncIterator[McpClient]:
    """An open client, of each transport and era, whose token may deploy."""
    mcp: McpClient = request.param(divider)
    await mcp.open()
    yield mcp
    if isinstance(mcp, HandshakeWebSocket | ModernWebSocket):
        await mcp.socket.close()


async def _content(mcp: McpClient, name: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    result = (await call_tool(mcp, name, **arguments))["result"]
    assert result["isError"] is False, result
    return dict(result["structuredContent"])


async def _text(mcp: McpClient, name: str, **arguments: Any) -> str:  # noqa: ANN401  any JSON value
    result = (await call_tool(mcp, name, **arguments))["result"]
    assert result["isError"] is True, result
    return str(result["content"][0]["text"])


def _stable(run: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in run.items() if name not in {*TIMES, "run_id"}}


async def test_an_agent_finds_runs_and_inspects_a_workflow(agent: McpClient) -> None:
    listed = {"name": "divide", "latest": 1, "aliases": {"live": 1}}
    assert await _content(agent, "list_workflows") == {"items": [listed]}
    assert await _content(agent, "get_workflow", workflow="divide") == {
        "workflow": "divide",
        "alias": "live",
        "version": 1,
        "description": "Divides 12.",
        "inputSchema": arguments_of("a", "seconds"),
        "outputSchema": {"type": "object"},
        "scopes": [],
        "timeout_seconds": 60,
    }
    (version,) = (await _content(agent, "list_workflow_versions", workflow="divide"))["items"]
    assert (version["version"], version["state"], version["author"]) == (1, "published", "alice")
    run = await _content(agent, "run_workflow", workflow="divide", arguments={"a": 4, "seconds": 0})
    assert _stable(run) == {
        "workflow": "divide",
        "version": 1,
        "alias": "live",
        "state": "finished",
        "result": {"share": 3},
        "attempts": 1,
    }
    assert await _content(agent, "get_workflow_run", run_id=run["run_id"]) == run
    assert await _content(agent, "cancel_workflow_run", run_id=run["run_id"]) == run
    logs = await _content(agent, "list_workflow_run_logs", run_id=run["run_id"])
    assert [(line["number"], line["message"]) for line in logs["items"]] == [(1, "dividing")]
    assert await _content(agent, "list_workflow_run_logs", run_id=run["run_id"], after=logs["next"]) == {
        "items": [],
        "next": 1,
    }


async def test_a_run_that_takes_longer_than_the_call_waits_goes_on_and_can_be_cancelled(
    divider: aiohttp.ClientSession,
) -> None:
    mcp = HandshakeHttp(divider)
    await mcp.open()
    arguments = {"workflow": "divide", "version": 1, "arguments": {"a": 4, "seconds": 60}}
    run = await _content(mcp, "run_workflow", **arguments, wait_seconds=0.2)
    assert run["state"] in {"queued", "running"}
    assert ("alias" in run, run["version"]) == (False, 1)
    await until_logged(divider, {"name": "divide", **run}, 1)
    assert (await _content(mcp, "get_workflow_run", run_id=run["run_id"]))["state"] == "running"
    assert (await _content(mcp, "cancel_workflow_run", run_id=run["run_id"]))["state"] == "cancelled"
    assert (await until(divider, {"name": "divide", **run}))["state"] == "cancelled"


async def test_a_client_with_tasks_gets_a_task_whose_result_is_the_run(divider: aiohttp.ClientSession) -> None:
    async def send(method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
        full = {**params, "_meta": CAPABLE}
        async with divider.post("/mcp", json=message(method, full), headers=modern_headers(method, full)) as response:
            return dict((await response.json())["result"])

    arguments = {"workflow": "divide", "arguments": {"a": 4, "seconds": 0}, "wait_seconds": 0}
    task = await send("tools/call", name="run_workflow", arguments=arguments)
    assert task["resultType"] == "task"
    run = await until(divider, {"name": "divide", "run_id": task["taskId"]})
    ended = await send("tasks/get", taskId=task["taskId"])
    content = ended["result"]["structuredContent"]
    assert (ended["status"], ended["result"]["isError"]) == ("completed", False)
    assert content == await _content(HandshakeHttp(divider), "get_workflow_run", run_id=task["taskId"])
    assert (content["run_id"], content["result"], run["result"]) == (task["taskId"], {"share": 3}, {"share": 3})


async def test_a_client_that_leaves_while_it_waits_ends_the_run(divider: aiohttp.ClientSession) -> None:
    full = {
        "name": "run_workflow",
        "arguments": {"workflow": "divide", "arguments": {"a": 4, "seconds": 60}},
        "_meta": MODERN_META,
    }
    headers = modern_headers("tools/call", full)
    call = asyncio.create_task(divider.post("/mcp", json=message("tools/call", full), headers=headers))
    async with asyncio.timeout(20):
        while not (runs := (await get(divider, "divide/runs"))["items"]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    run = {"name": "divide", **runs[0]}
    await until_logged(divider, run, 1)
    call.cancel()
    assert (await until(divider, run))["state"] == "cancelled"


async def test_what_keeps_a_workflow_from_running_is_said_in_the_result(divider: aiohttp.ClientSession) -> None:
    mcp = HandshakeHttp(divider)
    await mcp.open()
    assert (await post(divider, "other/versions", draft("result = 1")))[0] == 201
    for arguments, text in (
        ({"workflow": "none"}, "There is no alias 'live' of the workflow 'none'."),
        ({"workflow": "divide", "alias": "test"}, "There is no alias 'test' of the workflow 'divide'."),
        ({"workflow": "divide", "version": 7}, "There is no version 7 of the workflow 'divide'."),
        (
            {"workflow": "divide", "version": 1, "alias": "live"},
            "A run is of an alias or of a version: leave one of the two out.",
        ),
        ({"workflow": "other", "version": 1}, "Version 1 of 'other' is draft; this needs one that is published."),
        (
            {"workflow": "divide", "arguments": {"b": 1}},
            "The arguments are not valid: (all): Additional properties are not allowed ('b' was unexpected).",
        ),
    ):
        assert await _text(mcp, "run_workflow", **arguments) == text
    failed = await _text(mcp, "run_workflow", workflow="divide", arguments={"a": 0, "seconds": 0})
    (run,) = (await get(divider, "divide/runs"))["items"]
    assert failed.startswith(f"The run {run['run_id']} failed (error): The node 'only' failed: ")
    found = await _content(mcp, "get_workflow_run", run_id=run["run_id"])
    assert (found["state"], found["reason"], "result" in found) == ("failed", "error", False)
    assert await _text(mcp, "list_workflow_versions", workflow="none") == "There is no workflow 'none'."
    unknown = await call_tool(mcp, "get_workflow_run", run_id="run.none")
    assert unknown == failure_of(mcp, "There is no run 'run.none' of yours; ended runs are kept for a week.")


async def test_runs_are_those_of_the_user_and_versions_need_the_scope_of_those_who_deploy(
    workflow_service: str, divider: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    run = await _content(
        HandshakeHttp(divider), "run_workflow", workflow="divide", arguments={"a": 4, "seconds": 60}, wait_seconds=0
    )
    for claims in ({"subject": "bob", "scopes": SCOPES}, {"tenant": "acme", "scopes": DEPLOYER_SCOPES}):
        async with http_client(workflow_service, headers={"Authorization": f"Bearer {make_token(**claims)}"}) as other:
            mcp = HandshakeHttp(other)
            await mcp.open()
            for name in ("get_workflow_run", "list_workflow_run_logs", "cancel_workflow_run"):
                text = await _text(mcp, name, run_id=run["run_id"])
                assert text == f"There is no run {run['run_id']!r} of yours; ended runs are kept for a week."
            if "tenant" in claims:
                assert await _content(mcp, "list_workflows") == {"items": []}
            else:
                refused = await call_tool(mcp, "list_workflow_versions", workflow="divide")
                assert refused["error"]["code"] == 4403
    assert (await get(divider, f"divide/runs/{run['run_id']}"))["state"] in {"queued", "running"}
    await post(divider, f"divide/runs/{run['run_id']}/cancel")


async def test_a_workflow_cannot_run_another_one_by_the_tool(divider: aiohttp.ClientSession) -> None:
    nodes = {"t": {"node_type": "ToolNode", "config": {"tool": "run_workflow", "arguments": {"workflow": "divide"}}}}
    await deploy(divider, "nested", draft(nodes))
    text = await _text(HandshakeHttp(divider), "run_workflow", workflow="nested")
    assert "A workflow cannot run another one." in text


async def test_workflows_are_listed_page_by_page(divider: aiohttp.ClientSession) -> None:
    for name in ("a", "b"):
        assert (await post(divider, f"{name}/versions", draft("result = 1")))[0] == 201
    mcp = HandshakeHttp(divider)
    first = await _content(mcp, "list_workflows", limit=2)
    assert ([item["name"] for item in first["items"]], first["next"]) == (["a", "b"], "b")
    second = await _content(mcp, "list_workflows", limit=2, after="b")
    assert second == {"items": [{"name": "divide", "latest": 1, "aliases": {"live": 1}}]}
