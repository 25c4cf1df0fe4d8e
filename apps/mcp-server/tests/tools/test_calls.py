from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from definitions import BUILTIN
from mcp_clients import CLIENTS, McpClient, call_tool, failure_of, http_client
from stack import Stack

from nexus_testkit import Issuer


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("classify_products", {}, "(all): 'products' is a required property"),
        ("classify_products", {"products": []}, "products: [] should be non-empty"),
        ("classify_products", {"products": [{"text": "x"}, 5]}, "products/1: 5 is not of type 'object'"),
        (
            "classify_products",
            {"products": [{"text": "x", "colour": "red"}], "top_k": 99},
            (
                "products/0: Additional properties are not allowed ('colour' was unexpected); "
                "top_k: 99 is greater than the maximum of 20"
            ),
        ),
        (
            "classify_products",
            {"products": [5] * 1000},
            "".join(f"products/{n}: 5 is not of type 'object'; " for n in range(10)) + "and perhaps more",
        ),
        ("classify_products", {"products": [5] * 1001}, "products: breaks maxItems: 1000; and perhaps more"),
        (
            "classify_products",
            {"products": [{"text": "x"}], "taxonomy": "x"},
            "taxonomy: 'x' is not one of ['unspsc', 'etim']",
        ),
        ("list_products", {"after": "1; DROP"}, "after: '1; DROP' does not match '^[0-9]+$'"),
        ("get_product", {"id": "../models"}, "id: '../models' is not of type 'integer'"),
    ],
)
async def test_arguments_are_checked_before_anything_is_called(
    mcp: McpClient, stack: Stack, name: str, arguments: dict[str, Any], fault: str
) -> None:
    assert await call_tool(mcp, name, **arguments) == failure_of(mcp, f"The arguments of {name} are not valid: {fault}")
    assert stack.requests == {}


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        (
            {"name": "sing", "arguments": {}},
            -32602,
            f"There is no tool 'sing'; there are {', '.join(BUILTIN)}",
        ),
        ({"name": "list_products", "arguments": []}, -32602, "params.arguments must be an object"),
    ],
)
async def test_a_malformed_call_is_an_error_of_the_protocol(
    mcp: McpClient, params: dict[str, Any], code: int, text: str
) -> None:
    assert await mcp.request("tools/call", params) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": code, "message": text},
    }


@pytest.mark.parametrize("kind", CLIENTS)
async def test_a_tool_needs_its_own_scope_too(
    service: str, issuer: Issuer, stack: Stack, kind: Callable[[aiohttp.ClientSession], McpClient]
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call', 'data:read'])}"}
    async with http_client(service, headers=headers) as client:
        mcp = kind(client)
        await mcp.open()
        assert await call_tool(mcp, "classify_products", products=[{"text": "x"}]) == {
            "jsonrpc": "2.0",
            "id": 1,
            "error": {
                "code": 4403,
                "message": "The access token lacks the scope classify, which classify_products needs",
                "data": {"missing_scopes": ["classify"], "scopes": ["classify"]},
            },
        }
        assert "result" in await call_tool(mcp, "list_products")
    assert "/v1/classify" not in stack.requests
