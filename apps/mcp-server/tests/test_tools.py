from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from pydantic_core import to_json
from stack import PRODUCT, Stack, classified
from talk import WAYS, Talk

from nexus_testkit import Issuer

SUBJECT_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
async def talk(request: pytest.FixtureRequest, client: aiohttp.ClientSession) -> Talk:
    """An open conversation, by each transport and in each era."""
    talk: Talk = request.param(client)
    await talk.open()
    return talk


def _succeeded(talk: Talk, content: object) -> dict[str, Any]:
    result = {
        **talk.result_extras,
        "content": [{"type": "text", "text": to_json(content).decode()}],
        "structuredContent": content,
        "isError": False,
    }
    return {"jsonrpc": "2.0", "id": 1, "result": result}


def _failed(talk: Talk, text: str) -> dict[str, Any]:
    result = {**talk.result_extras, "content": [{"type": "text", "text": text}], "isError": True}
    return {"jsonrpc": "2.0", "id": 1, "result": result}


async def _call(talk: Talk, name: str, **arguments: object) -> dict[str, Any]:
    return await talk.ask("tools/call", {"name": name, "arguments": arguments})


async def test_products_are_classified_for_the_caller_with_an_exchanged_token(
    talk: Talk, stack: Stack, token: str
) -> None:
    products = ["Hex nut M8", {"id": "a", "text": "Wing nut", "attributes": {"thread": "M6"}, "language": "en"}]
    sent = [{"text": "Hex nut M8"}, products[1]]
    expected = {
        "taxonomy": "etim",
        "version": "starter",
        "items": [classified(index, item) for index, item in enumerate(sent)],  # type: ignore[arg-type]
    }
    for _ in range(2):
        answer = await _call(talk, "classify_products", products=products, taxonomy="etim", top_k=3)
        assert answer == _succeeded(talk, expected)
    assert [request["body"] for request in stack.requests["/v1/classify"]] == [
        {"items": sent, "taxonomy": "etim", "top_k": 3}
    ] * 2
    assert {request["subject"] for request in stack.requests["/v1/classify"]} == {"alice"}
    assert [request["form"] for request in stack.requests["/oauth/token"]] == [
        {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": token,
            "subject_token_type": SUBJECT_TOKEN_TYPE,
            "audience": "classification-service",
            "scope": "classify",
        }
    ]


async def test_classification_takes_unspsc_and_five_candidates_unless_told(talk: Talk, stack: Stack) -> None:
    await _call(talk, "classify_products", products=["x"])
    assert stack.requests["/v1/classify"][0]["body"] == {"items": [{"text": "x"}], "taxonomy": "unspsc", "top_k": 5}


async def test_stored_products_are_read(talk: Talk, stack: Stack) -> None:
    page = {"items": [PRODUCT], "next": None}
    assert await _call(talk, "list_products") == _succeeded(talk, page)
    assert await _call(talk, "list_products", limit=7, after="12") == _succeeded(talk, page)
    assert [request["query"] for request in stack.requests["/v1/product"]] == [
        {"limit": "50"},
        {"limit": "7", "after": "12"},
    ]
    assert await _call(talk, "get_product", id=1) == _succeeded(talk, PRODUCT)
    assert await _call(talk, "get_product", id=2) == _failed(
        talk, "dataflow-service refuses the call (404): There is no such row: There is no product with the id 2."
    )


@pytest.mark.parametrize(
    ("name", "arguments", "fault"),
    [
        ("classify_products", {}, "(all): 'products' is a required property"),
        ("classify_products", {"products": []}, "products: [] should be non-empty"),
        ("classify_products", {"products": ["x", 5]}, "products/1: 5 is not of type 'string', 'object'"),
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
            "".join(f"products/{n}: 5 is not of type 'string', 'object'; " for n in range(10)) + "and perhaps more",
        ),
        ("classify_products", {"products": [5] * 1001}, "products: breaks maxItems: 1000; and perhaps more"),
        ("classify_products", {"products": ["x"], "taxonomy": "x"}, "taxonomy: 'x' is not one of ['unspsc', 'etim']"),
        ("list_products", {"after": "1; DROP"}, "after: '1; DROP' does not match '^[0-9]+$'"),
        ("get_product", {"id": "../models"}, "id: '../models' is not of type 'integer'"),
    ],
)
async def test_arguments_are_checked_before_anything_is_called(
    talk: Talk, stack: Stack, name: str, arguments: dict[str, Any], fault: str
) -> None:
    assert await _call(talk, name, **arguments) == _failed(talk, f"The arguments of {name} are not valid: {fault}")
    assert stack.requests == {}


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        (
            {"name": "sing", "arguments": {}},
            -32602,
            "There is no tool 'sing'; there are classify_products, list_products, get_product",
        ),
        ({"name": "list_products", "arguments": []}, -32602, "params.arguments must be an object"),
    ],
)
async def test_a_call_that_is_none_is_an_error_of_the_protocol(
    talk: Talk, params: dict[str, Any], code: int, text: str
) -> None:
    assert await talk.ask("tools/call", params) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": code, "message": text},
    }


@pytest.mark.parametrize("way", WAYS)
async def test_a_tool_needs_its_own_scope_too(
    service: str, issuer: Issuer, stack: Stack, way: Callable[[aiohttp.ClientSession], Talk]
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call', 'data:read'])}"}
    async with aiohttp.ClientSession(service, headers=headers) as client:
        talk = way(client)
        await talk.open()
        assert await _call(talk, "classify_products", products=["x"]) == {
            "jsonrpc": "2.0",
            "id": 1,
            "error": {
                "code": -32003,
                "message": "The access token lacks the scope classify, which classify_products needs",
                "data": {"missing_scopes": ["classify"], "scopes": ["classify"]},
            },
        }
        assert "result" in await _call(talk, "list_products")
    assert "/v1/classify" not in stack.requests


async def test_the_management_api_lists_the_tools_with_their_scopes(client: aiohttp.ClientSession) -> None:
    listed = (await (await client.get("/v1/tools")).json())["items"]
    assert [(tool["name"], tool["scopes"]) for tool in listed] == [
        ("classify_products", ["classify"]),
        ("list_products", ["data:read"]),
        ("get_product", ["data:read"]),
    ]
    assert (await client.get("/v1/tools", headers={"Authorization": "Bearer x"})).status == 401
