from typing import Any

import aiohttp
import pytest
from mcp_clients import (
    CAPABILITIES,
    INSTRUCTIONS,
    MODERN_META,
    MODERN_METHODS,
    SERVER_INFO,
    ModernHttp,
    ModernWebSocket,
    error_response,
    message,
    modern_headers,
    post,
)

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"


def _modern(method: str, **params: object) -> dict[str, Any]:
    return message(method, {"_meta": MODERN_META, **params})


@pytest.mark.parametrize("kind", [ModernHttp, ModernWebSocket])
async def test_discover_returns_the_modern_revisions_and_what_the_server_does(
    client: aiohttp.ClientSession, kind: type[ModernHttp | ModernWebSocket]
) -> None:
    mcp = kind(client)
    await mcp.open()
    assert await mcp.request("server/discover") == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {**CAPABILITIES, "extensions": {"io.modelcontextprotocol/tasks": {}}},
            "instructions": INSTRUCTIONS,
            "ttlMs": 60000,
            "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
        },
    }


@pytest.mark.parametrize(
    ("params", "headers", "status", "expected"),
    [
        pytest.param(
            {"_meta": {VERSION_KEY: "2026-07-28"}},
            {},
            400,
            error_response(-32602, f"params._meta lacks {CAPABILITIES_KEY}"),
            id="no capabilities",
        ),
        pytest.param(
            {"_meta": None},
            {},
            400,
            error_response(-32602, f"params._meta must be an object with {VERSION_KEY} and {CAPABILITIES_KEY}"),
            id="no envelope",
        ),
        pytest.param(
            {"_meta": {**MODERN_META, CAPABILITIES_KEY: []}},
            {},
            400,
            error_response(-32602, f"In params._meta {VERSION_KEY} must be a string, {CAPABILITIES_KEY} an object"),
            id="capabilities no object",
        ),
        pytest.param(
            {"_meta": {**MODERN_META, VERSION_KEY: "2027-01-01"}},
            {"MCP-Protocol-Version": "2027-01-01"},
            400,
            error_response(
                -32022,
                "The protocol version '2027-01-01' is not supported here; supported are 2026-07-28",
                data={"supported": ["2026-07-28"], "requested": "2027-01-01"},
            ),
            id="unknown revision",
        ),
        pytest.param(
            {},
            {"MCP-Protocol-Version": "2027-01-01"},
            400,
            error_response(-32020, "The header mcp-protocol-version must be sent once and agree with the body"),
            id="another revision in the header",
        ),
        pytest.param(
            {},
            {"Mcp-Method": "tools/call"},
            400,
            error_response(-32020, "The header mcp-method must be sent once and agree with the body"),
            id="another method in the header",
        ),
    ],
)
async def test_a_modern_request_carries_all_about_itself(
    client: aiohttp.ClientSession, params: dict[str, Any], headers: dict[str, str], status: int, expected: object
) -> None:
    full = {"_meta": MODERN_META, **params}
    sent = {**modern_headers("tools/list", full), **headers}
    assert await post(client, message("tools/list", full), **sent) == (status, expected)


async def test_a_modern_request_repeats_the_tool_name_in_a_header(client: aiohttp.ClientSession) -> None:
    body = _modern("tools/call", name="get_product", arguments={"id": 1})
    headers = modern_headers("tools/call", body["params"])
    mismatch = error_response(-32020, "The header mcp-name must be sent once and agree with the body")
    assert await post(client, body, **{**headers, "Mcp-Name": "list_products"}) == (400, mismatch)
    assert await post(client, body, **{**headers, "Mcp-Name": "=?base64?!?="}) == (400, mismatch)
    del headers["Mcp-Name"]
    assert await post(client, body, **headers) == (400, mismatch)
    encoded = {**headers, "Mcp-Name": "=?base64?Z2V0X3Byb2R1Y3Q=?="}
    assert (await post(client, body, **encoded))[0] == 200


async def test_a_routing_header_sent_twice_is_refused(client: aiohttp.ClientSession) -> None:
    headers = [*modern_headers("tools/list", {}).items(), ("Mcp-Method", "tools/list")]
    response = await client.post("/mcp", json=_modern("tools/list"), headers=headers)
    text = "The header mcp-method must be sent once and agree with the body"
    assert (response.status, await response.json()) == (400, error_response(-32020, text))


async def test_an_unknown_modern_method_is_not_found(client: aiohttp.ClientSession) -> None:
    text = f"There is no method 'resources/subscribe'; there are {MODERN_METHODS}"
    answer = await post(client, _modern("resources/subscribe"), **modern_headers("resources/subscribe", {}))
    assert answer == (404, error_response(-32601, text))


async def test_discover_without_an_envelope_reports_what_is_missing(client: aiohttp.ClientSession) -> None:
    text = f"params._meta must be an object with {VERSION_KEY} and {CAPABILITIES_KEY}"
    assert await post(client, message("server/discover")) == (400, error_response(-32602, text))
