"""Operations of OpenAPI documents as tools, hostile documents among them."""

import io
import json
import time
from typing import Any

import aiohttp
import pytest
from conftest import MakeApp, MakeToken
from definitions import registered
from fastapi import FastAPI
from mcp_clients import HandshakeHttp, call_tool, http_client
from outside import Outside, whole
from stack import Stack, answering

from nexus_testkit import serving

type Document = dict[str, Any]

pytestmark = pytest.mark.usefixtures("names", "no_tools")
ORDER = {
    "type": "object",
    "properties": {
        "number": {"type": "integer"},
        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Order"}},
    },
    "required": ["number"],
}


@pytest.fixture
def app(make_app: MakeApp) -> FastAPI:
    return make_app()


@pytest.fixture
def token(make_token: MakeToken) -> str:
    return make_token()


def _json(schema: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    return {"content": {"application/json": {"schema": schema}}}


def _answers(schema: Any, status: str = "200") -> dict[str, Any]:  # noqa: ANN401  any JSON value
    return {status: {"description": "d", **_json(schema)}}


def shop(outside: Outside, **paths: Any) -> Document:  # noqa: ANN401  any JSON value
    """A document with these path items more; `/` for `_` in their names."""
    order = {"$ref": "#/components/schemas/Order"}
    number = {"name": "order-number", "in": "path", "required": True, "schema": {"type": "integer"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": f"{outside.url}/api/"}],
        "paths": {
            "/orders/{order-number}": {
                "parameters": [{"$ref": "#/components/parameters/Number"}],
                "get": {
                    "operationId": "orders.get",
                    "summary": "Read an order",
                    "security": [{"oauth": ["data:read", "shop:read"]}],
                    "responses": _answers(order),
                },
                "put": {
                    "operationId": "orders.put",
                    "parameters": [{"name": "dry", "in": "query", "schema": {"type": "boolean"}}],
                    "requestBody": {"required": True, **_json(order)},
                    "responses": {"204": {"description": "d"}},
                },
            },
            "/orders": {"get": {"responses": _answers({"type": "array", "items": order})}},
            **paths,
        },
        "components": {"schemas": {"Order": ORDER}, "parameters": {"Number": number}},
    }


async def _import(client: aiohttp.ClientSession, document: object, **members: object) -> tuple[int, Any]:
    body = {"source": "shop", "document": document, **members}
    response = await client.post("/v1/tools/import", json=body)
    return response.status, await response.json(content_type=None)


def _outcome(**members: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    return {"added": [], "changed": [], "unchanged": [], "removed": [], "refused": [], **members}


async def test_operations_become_tools_with_arguments_answers_and_scopes(
    client: aiohttp.ClientSession, outside: Outside
) -> None:
    assert await _import(client, shop(outside)) == (
        200,
        _outcome(added=["get_orders", "orders_get", "orders_put"]),
    )
    found = {tool["name"]: tool for tool in (await (await client.get("/v1/tools")).json())["items"]}
    own = {"type": "array", "items": {"$ref": "#/$defs/Order"}}
    definitions = {"Order": ORDER | {"properties": {"number": {"type": "integer"}, "parts": own}}}
    assert found["orders_get"] == {
        "name": "orders_get",
        "title": "Read an order",
        "description": "Read an order",
        "inputSchema": {
            "type": "object",
            "properties": {"order_number": {"type": "integer"}},
            "required": ["order_number"],
            "additionalProperties": False,
        },
        "outputSchema": {**definitions["Order"], "$defs": definitions},
        "annotations": {
            "readOnlyHint": True,
            "openWorldHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
        },
        "scopes": ["data:read"],
    }
    assert found["get_orders"]["outputSchema"] == {
        "type": "object",
        "properties": {"result": own},
        "required": ["result"],
        "$defs": definitions,
    }
    outside.answer = lambda _: whole({"number": 7, "parts": [{"number": 8}]})
    mcp = HandshakeHttp(client)
    result = (await call_tool(mcp, "orders_get", order_number=7))["result"]
    assert result["structuredContent"] == {"number": 7, "parts": [{"number": 8}]}
    outside.answer = lambda _: whole({"number": 7, "parts": [{"number": "8"}]})
    assert (await call_tool(mcp, "orders_get", order_number=7))["result"]["isError"]
    outside.answer = lambda _: whole([{"number": 7}])
    assert (await call_tool(mcp, "get_orders"))["result"]["structuredContent"] == {"result": [{"number": 7}]}
    outside.answer = lambda _: b"HTTP/1.1 204 No Content\r\n\r\n"
    result = (await call_tool(mcp, "orders_put", order_number=7, dry=True, body={"number": 7}))["result"]
    assert (result["isError"], outside.received[-1].target) == (False, "/api/orders/7?dry=true")
    assert outside.received[-1].body == b'{"number":7}'


async def test_a_second_import_reports_what_was_added_changed_and_removed(
    client: aiohttp.ClientSession, outside: Outside
) -> None:
    document = shop(outside)
    await _import(client, document)
    assert await _import(client, document) == (200, _outcome(unchanged=["get_orders", "orders_get", "orders_put"]))
    document["paths"]["/orders"]["get"]["summary"] = "List orders"
    document["paths"]["/new"] = {"get": {"responses": _answers({})}}
    del document["paths"]["/orders/{order-number}"]["put"]
    document["paths"]["/orders/{order-number}"]["get"]["responses"] = {}
    status, outcome = await _import(client, document)
    reason = "it answers with none of the statuses 200, 201 and 204"
    refused = [{"operation": "orders.get", "reason": reason}]
    assert (status, outcome) == (
        200,
        _outcome(added=["get_new"], changed=["get_orders"], removed=["orders_put"], refused=refused),
    )
    assert await registered(client) == ["get_new", "get_orders", "orders_get"]
    chosen = await _import(client, shop(outside), source="other", operations=["orders.put"], prefix="x_")
    assert chosen == (200, _outcome(added=["x_orders_put"]))


GET: Document = {"responses": _answers({})}
LOOP = {"$ref": "#/components/schemas/Loop"}
HOSTILE: list[Any] = [
    pytest.param({"/a/../../admin": {"get": GET}}, "has more than plain segments and {name}", id="path"),
    pytest.param({"/a/%2e%2e/admin": {"get": GET}}, "has more than plain segments and {name}", id="encoded path"),
    pytest.param({"//evil.example/x": {"get": GET}}, "has more than plain segments and {name}", id="another host"),
    pytest.param({"/{../../x}": {"get": GET}}, "its path has {../../x}, which is no parameter", id="parameter's name"),
    pytest.param(
        {"/x": {"get": {**GET, "servers": [{"url": "http://169.254.169.254/latest"}]}}},
        "http://169.254.169.254:80 is not in NEXUS_TOOL_HOSTS",
        id="server",
    ),
    pytest.param(
        {"/x": {"get": GET, "servers": [{"url": "{scheme}://x"}]}}, "its server '{scheme}://x' is no", id="variables"
    ),
    pytest.param(
        {"/x": {"get": {**GET, "responses": _answers({"$ref": "http://127.0.0.1/x"})}}},
        "the reference 'http://127.0.0.1/x' is not #/components/schemas/NAME",
        id="remote reference",
    ),
    pytest.param(
        {"/x": {"get": {**GET, "responses": _answers({"$ref": "file:///etc/passwd"})}}},
        "the reference 'file:///etc/passwd' is not #/components/schemas/NAME",
        id="reference to a file",
    ),
    pytest.param(
        {"/x": {"get": {**GET, "parameters": [{"$ref": "http://127.0.0.1/p"}]}}},
        "the reference 'http://127.0.0.1/p' is not #/components/parameters/NAME",
        id="remote parameter",
    ),
    pytest.param(
        {"/x": {"get": {**GET, "responses": _answers({"anyOf": [{"anyOf": [{}] * 40}] * 40})}}},
        "the schema has more than 1000 subschemas",
        id="anyOf bomb",
    ),
    pytest.param(
        {"/x": {"get": {**GET, "responses": _answers({"$ref": "#/components/schemas/Bomb0"})}}},
        None,
        id="bomb of references",
    ),
    pytest.param(
        {"/x": {"get": {**GET, "parameters": [{"$ref": "#/components/parameters/Loop"}]}}},
        "references in components/parameters lead in a circle",
        id="parameter in a circle",
    ),
    pytest.param({"/x": {"get": {**GET, "responses": _answers(LOOP)}}}, None, id="schema in a circle"),
    pytest.param(
        {"/x": {"get": {**GET, "parameters": [{"name": "Authorization", "in": "header", "required": True}]}}},
        "it needs 'Authorization' in a header, which is not sent",
        id="header",
    ),
    pytest.param(
        {"/x": {"post": {**GET, "requestBody": {"content": {"text/xml": {}}}}}}, "its body is not JSON", id="XML"
    ),
    pytest.param({"/x": {"get": {**GET, "operationId": "get_product"}}}, "is the name of a built-in tool", id="name"),
]


@pytest.mark.parametrize(("paths", "reason"), HOSTILE)
async def test_a_hostile_operation_is_refused_or_harmless(
    client: aiohttp.ClientSession, outside: Outside, paths: Document, reason: str | None
) -> None:
    document = shop(outside, **paths)
    components = document["components"]
    components["parameters"]["Loop"] = {"$ref": "#/components/parameters/Loop"}
    components["schemas"]["Loop"] = LOOP
    for level in range(30):
        inner = {"$ref": f"#/components/schemas/Bomb{level + 1}"}
        components["schemas"][f"Bomb{level}"] = {"allOf": [inner, inner, inner]}
    components["schemas"]["Bomb30"] = {"type": "object"}
    started = time.monotonic()
    status, outcome = await _import(client, document)
    assert (status, len(outcome["refused"])) == (200, 0 if reason is None else 1), outcome
    if reason is not None:
        assert reason in outcome["refused"][0]["reason"]
    else:
        mcp = HandshakeHttp(client)
        assert (await call_tool(mcp, "get_x"))["result"]["isError"]
    assert time.monotonic() - started < 5
    assert len(outcome["added"]) == (3 if reason else 4)


async def test_a_document_that_is_not_openapi_in_json_is_refused(
    client: aiohttp.ClientSession, outside: Outside
) -> None:
    assert await _problem(client, {"openapi": "3.0.3", "paths": {}}) == "it is not of OpenAPI 3.1."
    assert await _problem(client, shop(outside), operations=["none"]) == "it has no operations none."
    many = shop(outside) | {"paths": {f"/x{number}": {"get": GET} for number in range(999)}}
    assert (await _problem(client, many)).startswith("999 operations would be imported, at most 200 are permitted")
    paths = {f"/x{number}": {"get": {}} for number in range(100_000)}
    huge = json.dumps({"source": "shop", "document": {"openapi": "3.1.0", "paths": paths}}).encode()
    for body, kind, status in (
        (io.BytesIO(huge), "application/json", 413),
        (
            b'{"source": "shop", "document": {"paths": {' + b",".join(b'"%d":1' % n for n in range(1001)) + b"}}}",
            "application/json",
            422,
        ),
        (b"openapi: 3.1.0\n", "application/yaml", 415),
        (b"openapi: 3.1.0\n", "application/json", 422),
        (b'{"source": "shop", "document": ' + b'{"a":' * 500 + b"1" + b"}" * 501, "application/json", 422),
    ):
        response = await client.post("/v1/tools/import", data=body, headers={"Content-Type": kind})
        assert response.status == status
    assert await registered(client) == []


async def _problem(client: aiohttp.ClientSession, document: object, **members: object) -> str:
    status, problem = await _import(client, document, **members)
    assert (status, problem["type"]) == (422, "urn:nexus:problem:document-refused")
    return str(problem["detail"]).removeprefix("The document cannot be imported: ")


@pytest.fixture
def merged(stack: Stack) -> Document:
    """The document of the gateway with the services behind it, in its form."""
    product = {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}
    row = {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Nexus", "version": "1"},
        "servers": [{"url": "http://localhost:8000"}],
        "security": [{"bearer": []}],
        "paths": {
            "/v1/product/{id}": {
                "get": {
                    "operationId": "data_product_get",
                    "parameters": [row],
                    "responses": {
                        **_answers({"$ref": "#/components/schemas/data_Product"}),
                        "default": {"$ref": "#/components/responses/Problem"},
                    },
                }
            }
        },
        "components": {"schemas": {"data_Product": product}, "responses": {"Problem": {"description": "p"}}},
    }
    stack.misbehave["/openapi.json"] = answering(200, json.dumps(document))
    stack.misbehave["/v1/product/1"] = answering(200, '{"id": 1, "name": "Hex nut M8"}')
    return document


@pytest.mark.usefixtures("merged")
async def test_the_operations_of_the_stack_become_tools_that_act_for_the_user(
    client: aiohttp.ClientSession, stack: Stack
) -> None:
    response = await client.post("/v1/tools/import", json={"source": "stack", "scopes": ["data:read"]})
    assert (response.status, await response.json()) == (200, _outcome(added=["data_product_get"]))
    result = (await call_tool(HandshakeHttp(client), "data_product_get", id=1))["result"]
    assert result["structuredContent"] == {"id": 1, "name": "Hex nut M8"}
    form = stack.requests["/oauth/token"][0]["form"]
    assert (form["audience"], form["scope"]) == ("nexus-gateway", "data:read")


async def test_a_gateway_without_a_document_is_reported(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/tools/import", json={"source": "stack"})
    problem = await response.json(content_type=None)
    assert (response.status, problem["type"]) == (502, "urn:nexus:problem:upstream-unusable")


async def test_an_import_needs_the_scope_and_stays_in_its_tenant(
    make_app: MakeApp, make_token: MakeToken, outside: Outside
) -> None:
    acme, other = ({"Authorization": f"Bearer {make_token(tenant=name)}"} for name in ("acme", "other"))
    async with (
        serving(make_app()) as url,
        http_client(url, headers=acme) as one,
        http_client(url, headers=other) as two,
    ):
        await _import(one, shop(outside))
        assert (len(await registered(one)), await registered(two)) == (3, [])
        empty = shop(outside) | {"paths": {}}
        assert (await _import(two, empty))[1] == _outcome()
        assert len(await registered(one)) == 3
