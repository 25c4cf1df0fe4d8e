"""Arguments that clients of 2026-07-28 repeat in headers (`x-mcp-header`)."""

from typing import Any

import aiohttp
import pytest
from mcp_clients import MODERN_META, ModernWebSocket, error_response, message, modern_headers

from mcp_server.tools.errors import InvalidToolError
from mcp_server.tools.registry import Content, Tool, ToolRegistry

TOOL = {"name": "test_headers"}
REGION = error_response(-32020, "The header mcp-param-region must be sent once and agree with the arguments")
COUNT = error_response(-32020, "The header mcp-param-count must be sent once and agree with the arguments")


@pytest.mark.parametrize(
    ("arguments", "headers", "refusal"),
    [
        ({"region": "eu"}, [("Mcp-Param-Region", "eu")], None),
        ({"region": "eu"}, [("mcp-param-REGION", "=?base64?ZXU=?=")], None),
        ({"region": "日本"}, [("Mcp-Param-Region", "=?base64?5pel5pys?=")], None),
        ({"count": 42}, [("Mcp-Param-Count", "42.0")], None),
        ({"region": None}, [], None),
        ({}, [], None),
        ({"region": "eu"}, [], REGION),
        ({"region": "eu"}, [("Mcp-Param-Region", "us")], REGION),
        ({"region": "eu"}, [("Mcp-Param-Region", "eu"), ("Mcp-Param-Region", "eu")], REGION),
        ({"region": "eu"}, [("Mcp-Param-Region", "=?base64?ZXU?=")], REGION),
        ({}, [("Mcp-Param-Region", "eu")], REGION),
        ({"count": 42}, [("Mcp-Param-Count", "43")], COUNT),
        ({"count": 42}, [("Mcp-Param-Count", "0x2a")], COUNT),
    ],
)
async def test_a_header_must_agree_with_its_argument(
    fixture_client: aiohttp.ClientSession,
    arguments: dict[str, Any],
    headers: list[tuple[str, str]],
    refusal: dict[str, Any] | None,
) -> None:
    body = message("tools/call", {**TOOL, "arguments": arguments, "_meta": MODERN_META})
    sent = [*modern_headers("tools/call", TOOL).items(), *headers]
    async with fixture_client.post("/mcp", json=body, headers=sent) as response:
        answer = await response.json()
    if refusal is None:
        assert (response.status, "result" in answer) == (200, True)
    else:
        assert (response.status, answer) == (400, refusal)


async def test_a_websocket_has_no_headers_to_agree_with(fixture_client: aiohttp.ClientSession) -> None:
    mcp = ModernWebSocket(fixture_client)
    await mcp.open()
    answer = await mcp.request("tools/call", {**TOOL, "arguments": {"region": "eu"}})
    assert answer["result"]["isError"] is False


async def _run(_arguments: dict[str, Any], _request: object) -> Content:
    return Content([])


def _string(header: object) -> dict[str, Any]:
    return {"type": "string", "x-mcp-header": header}


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"a": _string("")}}, "'' is not the name of a header"),
        ({"properties": {"a": _string("a b")}}, "'a b' is not the name of a header"),
        ({"properties": {"a": _string("a\r\nb")}}, r"'a\\r\\nb' is not the name of a header"),
        ({"properties": {"a": _string("x"), "b": _string("X")}}, "two arguments have the header mcp-param-x"),
        (
            {"properties": {"a": {"type": "number", "x-mcp-header": "A"}}},
            "an argument with x-mcp-header must be a string, an integer or a boolean",
        ),
        (
            {"properties": {"a": {"type": "array", "items": _string("A")}}},
            "x-mcp-header is permitted at properties of objects only",
        ),
        ({"anyOf": [{"properties": {"a": _string("A")}}]}, "x-mcp-header is permitted at properties of objects only"),
    ],
)
def test_a_tool_that_breaks_the_rules_of_headers_is_not_registered(schema: dict[str, Any], reason: str) -> None:
    tool = Tool("t", "t", "t", {"type": "object", **schema}, None, frozenset(), _run)
    with pytest.raises(InvalidToolError, match=f"^The tool 't' cannot be registered: {reason}$"):
        ToolRegistry([tool])
