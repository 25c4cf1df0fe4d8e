"""From a draft to a deployed version."""

from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeToken
from mcp_clients import http_client
from stack import Stack, answering
from workflow_client import arguments_of, code, connection, deploy, draft, get, post, publish, put_alias, start, until

pytestmark = pytest.mark.usefixtures("names", "no_workflows")


async def test_a_version_goes_from_draft_to_deployed_and_runs(deployer: aiohttp.ClientSession) -> None:
    body = draft("result = a + 1", inputSchema=arguments_of("a"), inputs={"only": {"a": "a"}})
    status, added = await post(deployer, "sums/versions", body)
    assert (status, added["version"], added["created"]) == (201, 1, True)
    assert await post(deployer, "sums/validate", {"version": 1}) == (200, {"valid": True, "faults": []})
    status, tried = await post(deployer, "sums/dry-run", {"version": 1, "arguments": {"a": 1}})
    assert (status, tried["state"], tried["result"], tried["calls"]) == (200, "finished", 2, [])
    status, published = await post(deployer, "sums/versions/1/publish")
    assert (status, published["state"], published["author"]) == (200, "published", "alice")
    status, moved = await put_alias(deployer, "sums", "live", 1)
    assert (status, moved["version"], [move["version"] for move in moved["moves"]]) == (200, 1, [1])
    assert (await until(deployer, await start(deployer, "sums", a=41)))["result"] == 42
    assert await get(deployer, "") == {"items": [{"name": "sums", "latest": 1, "aliases": {"live": 1}}], "next": None}


@pytest.mark.parametrize(
    ("steps", "needed"),
    [((), "validated"), (("validate",), "tested"), (("validate", "dry-run"), "published")],
)
async def test_no_step_can_be_left_out(deployer: aiohttp.ClientSession, steps: tuple[str, ...], needed: str) -> None:
    await post(deployer, "sums/versions", draft("result = 1"))
    for step in steps:
        assert (await post(deployer, f"sums/{step}", {"version": 1}))[0] == 200
    attempts = {
        "validated": post(deployer, "sums/dry-run", {"version": 1}),
        "tested": post(deployer, "sums/versions/1/publish"),
        "published": put_alias(deployer, "sums", "live", 1),
    }
    status, problem = await attempts.pop(needed)
    for attempt in attempts.values():
        attempt.close()
    assert (status, problem["type"], problem["needed"]) == (409, "urn:nexus:problem:step-missing", needed)
    status, problem = await post(deployer, "sums/runs", {"version": 1})
    assert (status, problem["needed"]) == (409, "published")


async def test_moving_an_alias_back_rolls_back_and_the_moves_are_kept(
    deployer: aiohttp.ClientSession, replica: aiohttp.ClientSession
) -> None:
    await deploy(deployer, "sums", draft("result = 'old'"))
    await deploy(deployer, "sums", draft("result = 'new'", parent=1))
    assert (await until(replica, await start(replica, "sums")))["result"] == "new"
    assert (await put_alias(replica, "sums", "live", 1))[0] == 200
    run = await until(deployer, await start(deployer, "sums"))
    assert (run["result"], run["version"], run["alias"]) == ("old", 1, "live")
    moves = (await get(deployer, "sums/aliases/live"))["moves"]
    assert [(move["version"], move["author"]) for move in moves] == [(1, "alice"), (2, "alice"), (1, "alice")]
    versions = (await get(deployer, "sums/versions"))["items"]
    assert [(one["version"], one["parent"], one["state"]) for one in versions] == [
        (2, 1, "published"),
        (1, None, "published"),
    ]


async def test_a_deleted_alias_runs_nothing(deployer: aiohttp.ClientSession) -> None:
    await deploy(deployer, "sums", draft("result = 1"))
    assert (await deployer.delete("/v1/workflows/sums/aliases/live")).status == 204
    status, problem = await post(deployer, "sums/runs", {"alias": "live"})
    assert (status, problem["detail"]) == (404, "There is no alias 'live' of the workflow 'sums'.")
    assert (await get(deployer, "sums"))["aliases"] == {}


async def test_the_same_content_is_the_same_version_however_it_is_written(deployer: aiohttp.ClientSession) -> None:
    first = await post(deployer, "sums/versions", draft("result = 1"))
    again = draft(
        {"only": {"config": {"code": "result = 1", "sandbox_mode": "trusted"}, "node_type": "PythonCodeNode"}}
    )
    status, same = await post(deployer, "sums/versions", {**again, "output": "only.result"})
    assert (status, same) == (200, {**first[1], "created": False})
    whole = await get(deployer, "sums/versions/1")
    assert whole["content"]["definition"]["nodes"]["only"]["config"] == {"code": "result = 1", "name": "only"}
    assert whole["content_hash"] == same["content_hash"]


async def test_a_version_never_changes_in_the_database(deployer: aiohttp.ClientSession, schema_url: str) -> None:
    await post(deployer, "sums/versions", draft("result = 1"))
    database = await asyncpg.connect(schema_url, server_settings={"app.tenant": "default"})
    for statement in ("UPDATE workflow_versions SET content = '{}'", "DELETE FROM workflow_versions"):
        with pytest.raises(asyncpg.RaiseError, match="versions never change"):
            await database.execute(statement)
    await database.close()


ARGUMENTS = arguments_of("a")

REFUSED: list[tuple[dict[str, Any], str]] = [
    (draft({"x": {"node_type": "WorkflowNode", "config": {}}}), "not among the permitted node types"),
    (draft({"x": {"node_type": "ProductDropNode", "config": {}}}), "not among the permitted node types"),
    (draft("result = '${a}'"), "templates ('${') are not replaced here"),
    (draft("result = 1", inputSchema={"type": "array"}), "inputSchema: the schema must be an object"),
    (draft("result = 1", outputSchema={"type": "object", "$ref": "http://example.com"}), "outputSchema: "),
    (draft("result = 1", inputSchema=ARGUMENTS), "inputSchema/properties/a: no node has it"),
    (draft("result = 1", inputs={"only": {"a": "a"}}), "inputs/only/a: 'a' is no property of inputSchema"),
    (draft("result = 1", inputSchema=ARGUMENTS, inputs={"other": {"a": "a"}}), "inputs/other: expected"),
    (draft("result = 1", inputSchema=ARGUMENTS, inputs={"only": {"code": "a"}}), "inputs/only/code: the node has no"),
    (draft("result = 1", output="other.result"), "output: there is no node with this id"),
    (draft({"t": {"node_type": "ToolNode", "config": {}}}), "definition/nodes/t/config/tool: expected a text"),
    (
        draft(
            {"a": code("result = 1"), "t": {"node_type": "ToolNode", "config": {"tool": "x"}}},
            connection("a", "result", "t", "tool"),
        ),
        "definition/connections/0/target_input: the node has no such input",
    ),
    (
        draft(
            {"a": code("result = 1"), "b": code("result = x")},
            connection("a", "result", "b", "x"),
            inputSchema=ARGUMENTS,
            inputs={"b": {"x": "a"}},
        ),
        "definition/connections/0: an argument goes to the same input",
    ),
]


@pytest.mark.parametrize(("body", "reason"), REFUSED)
async def test_what_a_version_must_not_say_is_refused(
    deployer: aiohttp.ClientSession, body: dict[str, Any], reason: str
) -> None:
    status, problem = await post(deployer, "bad/versions", body)
    assert (status, problem["type"]) == (422, "urn:nexus:problem:workflow-refused")
    assert reason in problem["detail"]
    assert (await deployer.get("/v1/workflows/bad")).status == 404


async def test_kailash_says_what_is_wrong_with_code_before_it_runs(deployer: aiohttp.ClientSession) -> None:
    nodes = {"cut": code("result = ("), "tricky": code("import subprocess\nresult = 1")}
    await post(deployer, "bad/versions", draft(nodes))
    status, found = await post(deployer, "bad/validate", {"version": 1})
    assert (status, found["valid"]) == (200, False)
    assert [fault["place"] for fault in found["faults"]] == [f"definition/nodes/{name}/config/code" for name in nodes]
    assert found["faults"][0]["reason"] == "line 1: '(' was never closed"
    assert (await get(deployer, "bad/versions"))["items"][0]["state"] == "draft"


async def test_a_dry_run_reads_data_and_reports_what_it_would_change(
    deployer: aiohttp.ClientSession, stack: Stack
) -> None:
    stack.rows["Product"] = [{"sku": "a", "name": "Nut"}]
    nodes = {
        "list": {"node_type": "ProductListNode", "config": {"limit": 5}},
        "make": code("result = [{'sku': row['sku'], 'unspsc_code': '31161700'} for row in items]"),
        "save": {"node_type": "ProductBulkUpsertNode", "config": {"conflict_on": ["sku"]}},
    }
    connections = [connection("list", "items", "make", "items"), connection("make", "result", "save", "data")]
    body = draft(nodes, *connections, output="save.updated")
    await post(deployer, "codes/versions", body)
    assert (await post(deployer, "codes/validate", {"version": 1}))[1]["valid"]
    outputs = {"ProductBulkUpsertNode": {"created": 0, "updated": 1, "ids": [1]}}
    _, tried = await post(deployer, "codes/dry-run", {"version": 1, "outputs": outputs})
    rows = [{"sku": "a", "unspsc_code": "31161700"}]
    assert (tried["state"], tried["result"]) == ("finished", 1)
    assert tried["calls"] == [
        {"node": "ProductListNode", "parameters": {"limit": 5}, "executed": True},
        {"node": "ProductBulkUpsertNode", "parameters": {"conflict_on": ["sku"], "data": rows}, "executed": False},
    ]
    assert stack.products == [{"sku": "a", "name": "Nut"}]


async def test_a_dry_run_that_fails_does_not_let_the_version_be_published(deployer: aiohttp.ClientSession) -> None:
    await post(deployer, "bad/versions", draft("print('here')\nresult = 1 // 0"))
    assert (await post(deployer, "bad/validate", {"version": 1}))[1]["valid"]
    _, tried = await post(deployer, "bad/dry-run", {"version": 1})
    assert (tried["state"], tried["reason"], tried["logs"][0]["message"]) == ("failed", "error", "here")
    assert (await post(deployer, "bad/versions/1/publish"))[0] == 409


async def test_each_tenant_has_workflows_of_its_own(workflow_service: str, make_token: MakeToken) -> None:
    acme, other = ({"Authorization": f"Bearer {make_token(tenant=name)}"} for name in ("acme", "other"))
    async with (
        http_client(workflow_service, headers=acme) as ours,
        http_client(workflow_service, headers=other) as theirs,
    ):
        await deploy(ours, "sums", draft("result = 1"))
        run = await until(ours, await start(ours, "sums"))
        assert (await get(theirs, ""))["items"] == []
        for path in ("sums", "sums/versions", "sums/versions/1", "sums/aliases/live", f"sums/runs/{run['run_id']}"):
            assert (await theirs.get(f"/v1/workflows/{path}")).status == 404
        assert (await post(theirs, "sums/runs", {"alias": "live"}))[0] == 404
        assert (await get(theirs, "sums/runs"))["items"] == []
        assert await publish(theirs, "sums", draft("result = 2")) == 1


async def test_who_may_not_deploy_may_only_run(
    workflow_service: str, deployer: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    await deploy(deployer, "sums", draft("result = 1"))
    user = {"Authorization": f"Bearer {make_token(scopes=['tools:call'], subject='bob')}"}
    async with http_client(workflow_service, headers=user) as bob:
        for path in ("sums/versions", "sums/validate", "sums/dry-run", "sums/versions/1/publish"):
            assert (await post(bob, path, {"version": 1}))[0] == 403
        assert (await put_alias(bob, "sums", "live", 1))[0] == 403
        assert (await until(bob, await start(bob, "sums")))["state"] == "finished"


async def test_without_dataflow_service_only_versions_with_its_nodes_wait(
    deployer: aiohttp.ClientSession, stack: Stack
) -> None:
    stack.misbehave["/v1/nodes"] = answering(503)
    assert (await post(deployer, "sums/versions", draft("result = 1")))[0] == 201
    status, problem = await post(
        deployer, "list/versions", draft({"l": {"node_type": "ProductListNode", "config": {}}})
    )
    assert (status, problem["type"]) == (502, "urn:nexus:problem:upstream-unusable")
