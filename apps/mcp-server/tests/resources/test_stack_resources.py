import json
from typing import Any

import aiohttp
import pytest
from mcp_clients import HandshakeHttp, HandshakeWebSocket, McpClient, ModernHttp, ModernWebSocket, http_client
from stack import Stack, answering

from nexus_testkit import Issuer

URIS = ["nexus://models", "nexus://taxonomies", "nexus://workflows"]
TEMPLATES = [
    "nexus://models/{name}",
    "nexus://taxonomies/{name}/{version}/codes/{code}",
    "nexus://workflows/{name}",
]


async def _read(mcp: McpClient, uri: str) -> Any:  # noqa: ANN401  any JSON value
    (content,) = (await mcp.request("resources/read", {"uri": uri}))["result"]["contents"]
    assert (content["uri"], content["mimeType"]) == (uri, "application/json")
    return json.loads(content["text"])


async def test_resources_and_templates_are_listed(mcp: McpClient) -> None:
    listed = (await mcp.request("resources/list"))["result"]["resources"]
    assert [resource["uri"] for resource in listed] == URIS
    templates = (await mcp.request("resources/templates/list"))["result"]["resourceTemplates"]
    assert [template["uriTemplate"] for template in templates] == TEMPLATES
    assert all(set(it) == {"uri", "name", "title", "description", "mimeType"} for it in listed)


async def test_models_and_taxonomies_are_read_for_the_caller(mcp: McpClient) -> None:
    assert await _read(mcp, "nexus://models") == {"items": [{"name": "Product"}, {"name": "Price"}]}
    assert (await _read(mcp, "nexus://models/Product"))["name"] == "Product"
    assert (await _read(mcp, "nexus://taxonomies"))["taxonomies"][0] == {"name": "unspsc", "version": "26.0"}
    code = {"name": "unspsc", "version": "26.0", "code": "31161700"}
    assert await _read(mcp, "nexus://taxonomies/unspsc/26.0/codes/31161700") == code


@pytest.mark.parametrize("name", ["..%2F..%2Fadmin", "a%3Fb=c", "...", "x%00"])
async def test_a_name_cannot_leave_its_place_in_the_path(mcp: McpClient, name: str) -> None:
    seen = await _read(mcp, f"nexus://models/{name}")
    assert seen["path"].startswith("/v1/models/")
    assert seen["path"].count("/") == 3
    assert "?" not in seen["path"]


@pytest.mark.parametrize("name", [".", "..", "%2e%2e", "%2E."])
async def test_a_name_of_dots_is_unknown_and_sent_nowhere(mcp: McpClient, stack: Stack, name: str) -> None:
    answer = await mcp.request("resources/read", {"uri": f"nexus://models/{name}"})
    assert answer["error"]["code"] in {-32002, -32602}
    assert stack.requests == {}


async def test_what_is_no_resource_is_reported_as_each_era_has_it(client: aiohttp.ClientSession) -> None:
    for kind, code in (
        (HandshakeWebSocket, -32002),
        (ModernWebSocket, -32602),
        (HandshakeHttp, -32002),
        (ModernHttp, -32602),
    ):
        mcp = kind(client)
        await mcp.open()
        error = (await mcp.request("resources/read", {"uri": "nexus://nothing"}))["error"]
        assert error == {
            "code": code,
            "message": "There is no resource 'nexus://nothing'",
            "data": {"uri": "nexus://nothing"},
        }


async def test_a_service_that_fails_is_an_error_never_a_content(mcp: McpClient, stack: Stack) -> None:
    for misbehaviour in (answering(200, ""), answering(200, '{"items": ['), answering(503, '{"title": "away"}')):
        stack.misbehave["/v1/models"] = misbehaviour
        assert (await mcp.request("resources/read", {"uri": "nexus://models"}))["error"]["code"] == -32603


async def test_resources_are_shown_and_read_with_their_scopes_alone(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call', 'classify'])}"}
    async with http_client(service, headers=headers) as client:
        mcp = HandshakeHttp(client)
        await mcp.open()
        listed = (await mcp.request("resources/list"))["result"]["resources"]
        assert [resource["uri"] for resource in listed] == ["nexus://taxonomies", "nexus://workflows"]
        error = (await mcp.request("resources/read", {"uri": "nexus://models"}))["error"]
        assert (error["code"], error["data"]["missing_scopes"]) == (4403, ["data:read"])
        tools = (await mcp.request("tools/list"))["result"]["tools"]
        assert [tool["name"] for tool in tools] == [
            "classify_products",
            "list_taxonomies",
            "search_codes",
            "get_code",
            "list_workflows",
            "get_workflow",
            "run_workflow",
            "get_workflow_run",
            "list_workflow_run_logs",
            "cancel_workflow_run",
        ]


@pytest.mark.parametrize(
    ("uri", "argument", "value", "expected"),
    [
        (TEMPLATES[0], "name", "", ["Price", "Product"]),
        (TEMPLATES[0], "name", "Pro", ["Product"]),
        (TEMPLATES[1], "name", "", ["etim", "unspsc"]),
        (TEMPLATES[1], "version", "s", ["starter"]),
        (TEMPLATES[1], "code", "3", []),
    ],
)
async def test_values_of_templates_are_completed(
    client: aiohttp.ClientSession, uri: str, argument: str, value: str, expected: list[str]
) -> None:
    mcp = ModernWebSocket(client)
    await mcp.open()
    params = {"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": argument, "value": value}}
    completion = (await mcp.request("completion/complete", params))["result"]["completion"]
    assert completion == {"values": expected, "total": len(expected), "hasMore": False}
