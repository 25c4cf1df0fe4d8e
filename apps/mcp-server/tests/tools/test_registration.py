"""Tools that users register: versions, tenants, scopes, and every replica."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeApp, MakeSettings, MakeToken
from definitions import BUILTIN, order_tool, register, registered, schema
from fastapi import FastAPI
from mcp_clients import (
    CLIENTS,
    HandshakeHttp,
    HandshakeWebSocket,
    McpClient,
    call_tool,
    error_response,
    failure_of,
    http_client,
    success_of,
)
from outside import Outside, whole

from mcp_server.app import create_app
from nexus_testkit import Issuer, serving

type Replicas = tuple[aiohttp.ClientSession, aiohttp.ClientSession]

pytestmark = pytest.mark.usefixtures("names", "no_tools")


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app()


@pytest.fixture
def token(make_token: MakeToken) -> str:
    return make_token()


@pytest.fixture
async def replicas(make_app: MakeApp, token: str) -> AsyncIterator[Replicas]:
    """Clients of two servers with the same stores."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        serving(make_app()) as one,
        serving(make_app()) as two,
        http_client(one, headers=headers) as first,
        http_client(two, headers=headers) as second,
    ):
        yield first, second


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_registered_tool_is_listed_and_called_on_each_transport(
    client: aiohttp.ClientSession, outside: Outside, kind: Callable[[aiohttp.ClientSession], McpClient]
) -> None:
    definition = order_tool(outside, title="Order", annotations={"readOnlyHint": True})
    assert await register(client, definition) == (201, {"name": "get_order", "version": 1, "created": True})
    await asyncio.sleep(0.1)  # or else the client is notified of the change
    mcp = kind(client)
    await mcp.open()
    listed = (await mcp.request("tools/list"))["result"]["tools"]
    assert listed[-1] == {
        "name": "get_order",
        "title": "Order",
        "description": "Read an order.",
        "inputSchema": definition["inputSchema"],
        "annotations": {"readOnlyHint": True, "openWorldHint": True},
    }
    assert await call_tool(mcp, "get_order", number="7") == success_of(mcp, {"ok": True})
    assert [(one.method, one.target) for one in outside.received] == [("GET", "/orders/7")]


async def test_what_one_replica_registers_the_other_lists_calls_and_announces(
    replicas: Replicas, outside: Outside
) -> None:
    first, second = replicas
    mcp = HandshakeWebSocket(second)
    await mcp.open()
    assert len((await mcp.request("tools/list"))["result"]["tools"]) == len(BUILTIN)
    await register(first, order_tool(outside))
    assert await mcp.socket.receive_json(timeout=5) == {
        "jsonrpc": "2.0",
        "method": "notifications/tools/list_changed",
        "params": {},
    }
    listed = (await mcp.request("tools/list"))["result"]["tools"]
    assert [tool["name"] for tool in listed] == [*BUILTIN, "get_order"]
    assert await call_tool(mcp, "get_order", number="7") == success_of(mcp, {"ok": True})
    await first.delete("/v1/tools/get_order")
    await mcp.socket.receive_json(timeout=5)
    known = ", ".join(BUILTIN)
    assert await call_tool(mcp, "get_order", number="7") == error_response(
        -32602, f"There is no tool 'get_order'; there are {known}"
    )
    await mcp.socket.close()


async def test_versions_never_change_and_an_older_one_can_be_put_in_use_again(
    replicas: Replicas, outside: Outside, schema_url: str
) -> None:
    first, second = replicas
    old, new = order_tool(outside), order_tool(outside, http={"path": "/v2/orders/{number}"})
    assert (await register(first, old))[1]["version"] == 1
    assert await register(second, old) == (200, {"name": "get_order", "version": 1, "created": False})
    assert (await register(second, new))[1]["version"] == 2
    mcp = HandshakeHttp(second)
    await call_tool(mcp, "get_order", number="7")
    assert (await second.post("/v1/tools/get_order/rollback", json={"version": 1})).status == 204
    await call_tool(mcp, "get_order", number="7")
    assert [one.target for one in outside.received] == ["/v2/orders/7", "/orders/7"]

    versions = (await (await first.get("/v1/tools/get_order/versions")).json())["items"]
    assert [(one["version"], one["author"], one["active"]) for one in versions] == [
        (2, "alice", False),
        (1, "alice", True),
    ]
    found = await (await first.get("/v1/tools/get_order/versions/2")).json()
    assert (found["definition"], found["digest"]) == (new, versions[0]["digest"])
    connection = await asyncpg.connect(schema_url, server_settings={"app.tenant": "default"})
    with pytest.raises(asyncpg.RaiseError, match="versions never change"):
        await connection.execute("UPDATE tool_versions SET author = 'mallory'")
    await connection.close()


async def test_each_tenant_has_tools_of_its_own(service: str, make_token: MakeToken, outside: Outside) -> None:
    acme, other = ({"Authorization": f"Bearer {make_token(tenant=name)}"} for name in ("acme", "other"))
    async with http_client(service, headers=acme) as one, http_client(service, headers=other) as two:
        assert (await register(one, order_tool(outside)))[0] == 201
        assert (await registered(one), await registered(two)) == (["get_order"], [])
        answer = await call_tool(HandshakeHttp(two), "get_order", number="7")
        assert answer["error"]["code"] == -32602
        for path in ("/v1/tools/get_order/versions", "/v1/tools/get_order/versions/1"):
            assert (await two.get(path)).status == 404
        assert (await two.delete("/v1/tools/get_order")).status == 404
        assert (await register(two, order_tool(outside)))[1] == {"name": "get_order", "version": 1, "created": True}
        assert (await two.delete("/v1/tools/get_order")).status == 204
        assert (await registered(one), await registered(two)) == (["get_order"], [])


async def test_registering_needs_a_scope_of_its_own(service: str, issuer: Issuer, outside: Outside) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call', 'data:admin'])}"}
    async with http_client(service, headers=headers) as client:
        status, problem = await register(client, order_tool(outside))
        assert (status, problem["type"]) == (403, "urn:nexus:problem:insufficient-scope")
        for method, path in (("DELETE", ""), ("GET", "/versions"), ("GET", "/versions/1"), ("POST", "/rollback")):
            body = {"json": {"version": 1}} if method == "POST" else {}
            response = await client.request(method, f"/v1/tools/get_order{path}", **body)
            assert response.status == 403


async def test_a_tool_needs_its_scopes(client: aiohttp.ClientSession, outside: Outside) -> None:
    await register(client, order_tool(outside, scopes=["data:admin"]))
    mcp = HandshakeHttp(client)
    assert len((await mcp.request("tools/list"))["result"]["tools"]) == len(BUILTIN)
    assert (await call_tool(mcp, "get_order", number="7"))["error"]["code"] == 4403


REFUSALS: list[Any] = [
    ({"name": "list_products"}, 409, "'list_products' is the name of a built-in tool. Choose another one."),
    ({"name": "../x"}, 422, "/body/name: String should match pattern"),
    ({"scopes": ["root"]}, 422, "/body/scopes/0: Input should be"),
    ({"http": None}, 422, "/body: Value error, exactly one of http and workflow is needed"),
    ({"workflow": {"name": "w", "alias": "live"}, "http": None}, 422, "There is no alias 'live' of the workflow 'w'"),
    ({"inputSchema": {"type": "object", "$ref": "http://127.0.0.1/x"}}, 422, "leaves the schema; only #... is"),
    ({"inputSchema": schema("number", "more")}, 422, "the arguments more have no place in path, query, headers or"),
    ({"inputSchema": schema()}, 422, "the arguments number are not in properties of inputSchema"),
    ({"inputSchema": {**schema("number"), "required": []}}, 422, "the arguments number are part of the path, and"),
    ({"inputSchema": {**schema("number"), "additionalProperties": True}}, 422, 'inputSchema needs "additional'),
    ({"outputSchema": {"type": "array"}}, 422, 'the schema must be an object with "type": "object"'),
    ({"http": {"query": {"q": "number"}}}, 422, "the arguments number have more than one place"),
    ({"http": {"path": "/a/../orders/{number}"}}, 422, "has more than plain segments and {name}"),
    ({"http": {"path": "/a/%2e%2e/orders/{number}"}}, 422, "has more than plain segments and {name}"),
    ({"http": {"path": "/orders/{number}?x=1"}}, 422, "has more than plain segments and {name}"),
    ({"http": {"path": "//evil.example/{number}"}}, 422, "has more than plain segments and {name}"),
    ({"http": {"path": "orders/{number}"}}, 422, "/body/http/path: String should match pattern"),
    ({"http": {"server": "http://169.254.169.254"}}, 422, "http://169.254.169.254:80 is not in NEXUS_TOOL_HOSTS"),
    ({"http": {"server": "http://api.outside.example:1"}}, 422, ":1 is not in NEXUS_TOOL_HOSTS"),
    ({"http": {"server": "http://u:p@api.outside.example"}}, 422, "is not an http or https URL without user"),
    ({"http": {"server": "file:///etc/passwd"}}, 422, "is not an http or https URL without user"),
    ({"http": {"service": "nexus-gateway"}}, 422, "exactly one of server and service is needed"),
    ({"http": {"service": "nexus-gateway", "server": None}}, 422, "a service of the stack needs scopes"),
    (
        {"http": {"path": "/orders", "headers": {"Authorization": "number"}}},
        422,
        "the headers Authorization cannot be set by an argument",
    ),
    ({"http": {"path": "/orders", "body": "number"}}, 422, "a GET has no body"),
]


@pytest.mark.parametrize(("changes", "status", "detail"), REFUSALS)
async def test_a_definition_that_cannot_become_a_tool_is_refused_with_the_reason(
    client: aiohttp.ClientSession, outside: Outside, changes: dict[str, Any], status: int, detail: str
) -> None:
    definition = order_tool(outside, **{name: value for name, value in changes.items() if name != "http"})
    http = changes.get("http", {})
    definition["http"] = None if http is None else definition["http"] | http
    answered, problem = await register(client, {name: value for name, value in definition.items() if value is not None})
    assert (answered, detail in problem["detail"]) == (status, True), problem
    assert await registered(client) == []


async def test_a_tool_that_is_not_there_is_reported(client: aiohttp.ClientSession, outside: Outside) -> None:
    await register(client, order_tool(outside))
    for method, path, body in (
        ("GET", "/v1/tools/none/versions", None),
        ("GET", "/v1/tools/get_order/versions/2", None),
        ("POST", "/v1/tools/get_order/rollback", {"version": 2}),
        ("DELETE", "/v1/tools/none", None),
    ):
        response = await client.request(method, path, json=body)
        problem = await response.json(content_type=None)
        assert (response.status, problem["type"]) == (404, "urn:nexus:problem:tool-not-found")
    assert (await client.delete("/v1/tools/list_products")).status == 409


async def test_while_postgresql_is_away_built_in_tools_go_on_and_the_others_are_reported(
    make_settings: MakeSettings, token: str, unused_tcp_port: int
) -> None:
    app = create_app(make_settings(postgres_url=f"postgresql://mcp@127.0.0.1:{unused_tcp_port}/none"))
    async with serving(app) as url, http_client(url, headers={"Authorization": f"Bearer {token}"}) as client:
        mcp = HandshakeHttp(client)
        assert len((await mcp.request("tools/list"))["result"]["tools"]) == len(BUILTIN)
        assert (await call_tool(mcp, "get_product", id="x"))["result"]["isError"]
        assert await call_tool(mcp, "get_order", number="7") == error_response(
            4503, "The registered tools cannot be read now. Try again later."
        )
        response = await client.get("/v1/tools")
        assert (response.status, (await response.json(content_type=None))["type"]) == (
            503,
            "urn:nexus:problem:tools-unavailable",
        )


async def test_a_stored_tool_with_the_name_of_a_built_in_one_replaces_nothing(
    client: aiohttp.ClientSession, outside: Outside, schema_url: str
) -> None:
    definition = json.dumps(order_tool(outside, "get_workflow_run"))
    connection = await asyncpg.connect(schema_url, server_settings={"app.tenant": "default"})
    async with connection.transaction():
        await connection.execute("INSERT INTO tools VALUES ('default', 'get_workflow_run', 1)")
        await connection.execute(
            "INSERT INTO tool_versions VALUES ('default', 'get_workflow_run', 1, $1::text::json, 'x', 'tests')",
            definition,
        )
        await connection.execute("INSERT INTO tool_generations VALUES ('default', 1)")
    await connection.close()
    mcp = HandshakeHttp(client)
    listed = (await mcp.request("tools/list"))["result"]["tools"]
    assert [tool["name"] for tool in listed] == BUILTIN
    text = "There is no run 'run.x' of yours; ended runs are kept for a week."
    assert await call_tool(mcp, "get_workflow_run", run_id="run.x") == failure_of(mcp, text)
    assert outside.received == []


async def test_an_answer_that_does_not_agree_with_the_output_schema_is_no_success(
    client: aiohttp.ClientSession, outside: Outside
) -> None:
    output = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    await register(client, order_tool(outside, outputSchema=output))
    mcp = HandshakeHttp(client)
    outside.answer = lambda _: whole({"total": 5})
    assert await call_tool(mcp, "get_order", number="7") == success_of(mcp, {"total": 5})
    outside.answer = lambda _: whole({"total": "5"})
    assert await call_tool(mcp, "get_order", number="7") == failure_of(
        mcp, "The answer behind get_order does not agree with its output schema: total: '5' is not of type 'number'"
    )
