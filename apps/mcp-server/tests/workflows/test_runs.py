"""Runs over HTTP: their states, results, logs, limits, and who may see them."""

import asyncio
from typing import Any

import aiohttp
import pytest
from conftest import MakeApp, MakeToken
from mcp_clients import http_client
from runner_process import RunnerProcess
from stack import Stack, answering
from workflow_client import arguments_of, code, connection, deploy, draft, get, logged, post, start, until, until_logged

from mcp_server.workflows import run_service
from nexus_testkit import serving
from nexus_testkit.process import free_port

pytestmark = pytest.mark.usefixtures("names", "no_workflows")

LIST = {"node_type": "ProductListNode", "config": {"limit": 5}}
COUNT = draft(
    {"list": LIST, "count": code("result = len(items)")},
    connection("list", "items", "count", "items"),
    output="count.result",
)
CODES = draft(
    {
        "list": LIST,
        "make": code("result = [{'sku': row['sku'], 'unspsc_code': '31161700'} for row in items]"),
        "save": {"node_type": "ProductBulkUpsertNode", "config": {"conflict_on": ["sku"]}},
    },
    connection("list", "items", "make", "items"),
    connection("make", "result", "save", "data"),
    output="save.updated",
)
CLASSIFY = draft(
    {
        "texts": code("result = {'products': [{'text': text} for text in texts]}"),
        "classify": {"node_type": "ToolNode", "config": {"tool": "classify_products"}},
    },
    connection("texts", "result", "classify", "arguments"),
    inputSchema=arguments_of("texts"),
    inputs={"texts": {"texts": "texts"}},
    output="classify.result.items",
)
DIVIDE = draft("result = 1 // a", inputSchema=arguments_of("a"), inputs={"only": {"a": "a"}})
ENDLESS = draft("import time\nprint('here')\nwhile wait: time.sleep(0.05)\nresult = 1") | {
    "inputSchema": arguments_of("wait"),
    "inputs": {"only": {"wait": "wait"}},
}


async def test_a_run_is_started_at_one_server_and_read_at_another(
    deployer: aiohttp.ClientSession, replica: aiohttp.ClientSession
) -> None:
    await deploy(deployer, "sums", draft("print('adding')\nresult = {'sum': 1 + 2}"))
    async with deployer.post("/v1/workflows/sums/runs", json={"alias": "live"}) as response:
        run = await response.json()
        assert (response.status, run["state"], run["result"]) == (202, "queued", None)
        assert response.headers["Location"] == f"/v1/workflows/sums/runs/{run['run_id']}"
    ended = await until(replica, run)
    times = [ended.pop(name) for name in ("created_at", "started_at", "ended_at")]
    assert ended == {
        "run_id": run["run_id"],
        "name": "sums",
        "version": 1,
        "alias": "live",
        "state": "finished",
        "result": {"sum": 3},
        "reason": None,
        "detail": None,
        "attempts": 1,
    }
    assert times == sorted(times)
    assert await logged(replica, run) == ["adding"]


async def test_a_run_that_fails_says_why(deployer: aiohttp.ClientSession) -> None:
    await deploy(deployer, "divide", DIVIDE, arguments={"a": 1})
    ended = await until(deployer, await start(deployer, "divide", a=0))
    assert (ended["state"], ended["reason"], ended["result"]) == ("failed", "error", None)
    assert "The node 'only' failed: " in ended["detail"]
    assert "division" in ended["detail"]


async def test_data_nodes_act_with_a_token_of_the_caller(
    workflow_service: str, deployer: aiohttp.ClientSession, make_token: MakeToken, stack: Stack
) -> None:
    stack.rows["Product"] = [{"id": 1, "sku": "a"}, {"id": 2, "sku": "b"}]
    await deploy(deployer, "codes", CODES, outputs={"ProductBulkUpsertNode": {"updated": 0}})
    stack.requests.clear()
    bob = {"Authorization": f"Bearer {make_token(subject='bob')}"}
    async with http_client(workflow_service, headers=bob) as client:
        ended = await until(client, await start(client, "codes"))
    assert (ended["state"], ended["result"]) == ("finished", 2)
    assert [(row["sku"], row["unspsc_code"]) for row in stack.products] == [("a", "31161700"), ("b", "31161700")]
    called = [f"/v1/nodes/Product{name}Node/execute" for name in ("List", "BulkUpsert")]
    assert [stack.requests[path][0]["subject"] for path in called] == ["bob", "bob"]


async def test_who_lacks_the_scope_of_a_node_cannot_start_a_run(
    workflow_service: str, deployer: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    await deploy(deployer, "codes", CODES, outputs={"ProductBulkUpsertNode": {"updated": 0}})
    reader = {"Authorization": f"Bearer {make_token(scopes=['tools:call', 'data:read'])}"}
    async with http_client(workflow_service, headers=reader) as client:
        status, problem = await post(client, "codes/runs", {"alias": "live"})
    assert (status, problem["missing_scopes"]) == (403, ["data:write"])


async def test_a_workflow_calls_tools(deployer: aiohttp.ClientSession) -> None:
    await deploy(deployer, "classify", CLASSIFY, arguments={"texts": ["Hex nut"]})
    ended = await until(deployer, await start(deployer, "classify", texts=["Hex nut M8", "Bolt"]))
    assert [item["index"] for item in ended["result"]] == [0, 1]


async def test_the_answer_of_a_service_that_is_away_is_why_a_run_fails(
    deployer: aiohttp.ClientSession, stack: Stack
) -> None:
    await deploy(deployer, "count", COUNT)
    stack.misbehave["/v1/nodes/ProductListNode/execute"] = answering(503, "{}")
    ended = await until(deployer, await start(deployer, "count"))
    assert (ended["state"], ended["reason"]) == ("failed", "error")
    assert "ProductListNode: dataflow-service failed (503)" in ended["detail"]


@pytest.mark.parametrize("kind", ["empty", "cut", "list"])
async def test_an_answer_that_is_empty_cut_or_no_object_is_no_success(
    deployer: aiohttp.ClientSession, stack: Stack, kind: str
) -> None:
    await deploy(deployer, "count", COUNT)
    texts = {"empty": "", "cut": '{"items": [', "list": "[]"}
    stack.misbehave["/v1/nodes/ProductListNode/execute"] = answering(200, texts[kind])
    ended = await until(deployer, await start(deployer, "count"))
    assert (ended["state"], ended["reason"]) == ("failed", "error")


async def test_arguments_and_results_agree_with_the_schemas(deployer: aiohttp.ClientSession) -> None:
    number = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    body = draft("result = {'a': a}") | {"inputSchema": {**number, "additionalProperties": False}}
    body |= {"inputs": {"only": {"a": "a"}}, "outputSchema": {**number, "properties": {"a": {"maximum": 5}}}}
    await deploy(deployer, "same", body, arguments={"a": 1})
    status, problem = await post(deployer, "same/runs", {"alias": "live", "arguments": {"a": "x"}})
    assert (status, problem["detail"]) == (422, "The arguments are not valid: a: 'x' is not of type 'integer'.")
    ended = await until(deployer, await start(deployer, "same", a=6))
    assert (ended["state"], ended["reason"], ended["result"]) == ("failed", "result", None)
    assert ended["detail"] == "The result does not agree with its schema: a: 6 is greater than the maximum of 5."


async def test_a_run_is_cancelled_wherever_it_runs(
    deployer: aiohttp.ClientSession, replica: aiohttp.ClientSession
) -> None:
    await deploy(deployer, "endless", ENDLESS, arguments={"wait": False})
    runs = [await start(deployer, "endless", wait=True) for _ in range(3)]  # one more than the runner runs at once
    await until(replica, runs[0], "running")
    for run in runs:
        status, cancelled = await post(replica, f"endless/runs/{run['run_id']}/cancel")
        assert (status, cancelled["state"]) == (200, "cancelled")
    async with asyncio.timeout(20):  # there is room again
        assert (await until(deployer, await start(deployer, "endless", wait=False)))["state"] == "finished"
    assert (await until(deployer, runs[0]))["state"] == "cancelled"
    status, again = await post(replica, f"endless/runs/{runs[0]['run_id']}/cancel")
    assert (status, again["state"]) == (200, "cancelled")


async def test_a_run_ends_at_the_time_that_its_version_has(deployer: aiohttp.ClientSession) -> None:
    await deploy(deployer, "endless", ENDLESS | {"timeout_seconds": 1.0}, arguments={"wait": False})
    ended = await until(deployer, await start(deployer, "endless", wait=True))
    assert (ended["state"], ended["reason"], ended["detail"]) == (
        "failed",
        "timeout",
        "The run took longer than 1 s.",
    )


async def test_lines_of_a_log_are_read_while_the_run_goes_on(deployer: aiohttp.ClientSession) -> None:
    await deploy(deployer, "endless", ENDLESS, arguments={"wait": False})
    run = await start(deployer, "endless", wait=True)
    assert await until_logged(deployer, run, 1) == ["here"]
    lines = await get(deployer, f"endless/runs/{run['run_id']}/logs")
    assert (lines["items"][0]["message"], lines["items"][0]["logger"], lines["next"]) == ("here", "output", 1)
    later = await get(deployer, f"endless/runs/{run['run_id']}/logs?after=1")
    assert later == {"items": [], "next": 1}
    await post(deployer, f"endless/runs/{run['run_id']}/cancel")


async def test_runs_are_seen_by_their_user_and_by_those_who_deploy(
    workflow_service: str, deployer: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    await deploy(deployer, "sums", draft("result = 1"))
    tokens = {name: make_token(scopes=["tools:call"], subject=name) for name in ("bob", "carol")}
    headers = [{"Authorization": f"Bearer {tokens[name]}"} for name in ("bob", "carol")]
    async with (
        http_client(workflow_service, headers=headers[0]) as bob,
        http_client(workflow_service, headers=headers[1]) as carol,
    ):
        run = await until(bob, await start(bob, "sums"))
        path = f"sums/runs/{run['run_id']}"
        for hidden in (path, f"{path}/logs"):
            assert (await carol.get(f"/v1/workflows/{hidden}")).status == 404
        assert (await post(carol, f"{path}/cancel"))[0] == 404
        assert (await get(carol, "sums/runs"))["items"] == []
        assert await get(deployer, path) == run
        assert [one["run_id"] for one in (await get(deployer, "sums/runs"))["items"]] == [run["run_id"]]
        assert (await bob.get(f"/v1/workflows/other/runs/{run['run_id']}")).status == 404


async def test_runs_are_listed_in_pages_the_newest_first(deployer: aiohttp.ClientSession) -> None:
    await deploy(deployer, "sums", draft("result = 1"))
    started = [(await start(deployer, "sums"))["run_id"] for _ in range(5)]
    listed: list[str] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        page = await get(deployer, f"sums/runs?limit=2{'&before=' if page['next'] else ''}{page['next']}")
        listed += [run["run_id"] for run in page["items"]]
    assert listed == started[::-1]


async def test_a_user_has_a_limited_number_of_open_runs(
    deployer: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_service, "MAX_OPEN", 1)
    await deploy(deployer, "endless", ENDLESS, arguments={"wait": False})
    run = await start(deployer, "endless", wait=True)
    status, problem = await post(deployer, "endless/runs", {"alias": "live", "arguments": {"wait": True}})
    assert (status, problem["type"]) == (429, "urn:nexus:problem:too-many-runs")
    await post(deployer, f"endless/runs/{run['run_id']}/cancel")


async def test_a_run_whose_callers_token_ends_before_it_begins_fails(
    make_app: MakeApp, runner_process: RunnerProcess, make_token: MakeToken
) -> None:
    async with (
        serving(make_app(runner_url=runner_process.url, runs=1)) as url,
        http_client(url, headers={"Authorization": f"Bearer {make_token()}"}) as client,
    ):
        await deploy(client, "endless", ENDLESS, arguments={"wait": False})
        first = await start(client, "endless", wait=True)
        async with http_client(url, headers={"Authorization": f"Bearer {make_token(lifetime=2)}"}) as late:
            run = await start(late, "endless", wait=False)
        await asyncio.sleep(2)
        await post(client, f"endless/runs/{first['run_id']}/cancel")
        ended = await until(client, run)
    assert (ended["state"], ended["reason"]) == ("failed", "token")
    assert ended["detail"].startswith("The access token of its caller is refused: ")


async def test_a_version_waits_for_a_runner_that_is_away(make_app: MakeApp, make_token: MakeToken) -> None:
    async with (
        serving(make_app(runner_url=f"tcp://127.0.0.1:{free_port()}")) as url,
        http_client(url, headers={"Authorization": f"Bearer {make_token()}"}) as client,
    ):
        assert (await post(client, "sums/versions", draft("result = 1")))[0] == 201
        status, problem = await post(client, "sums/validate", {"version": 1})
    assert (status, problem["type"]) == (503, "urn:nexus:problem:runner-unavailable")
