from typing import Any

import aiohttp
import pytest
from mcp_clients import HandshakeHttp, McpClient, ModernWebSocket, error_response, http_client

from nexus_testkit import Issuer

NAMES = ["classify_price_list", "review_products_without_code"]


async def test_prompts_are_listed_with_their_arguments(mcp: McpClient) -> None:
    prompts = (await mcp.request("prompts/list"))["result"]["prompts"]
    assert [prompt["name"] for prompt in prompts] == NAMES
    assert [argument["name"] for argument in prompts[0]["arguments"]] == ["lines", "taxonomy"]


async def test_a_prompt_has_what_its_arguments_say(mcp: McpClient) -> None:
    params = {"name": "classify_price_list", "arguments": {"lines": "M8 nut; 3.20", "taxonomy": "etim"}}
    (message,) = (await mcp.request("prompts/get", params))["result"]["messages"]
    assert message["role"] == "user"
    assert "by etim with the tool classify_products" in message["content"]["text"]
    assert message["content"]["text"].endswith("\n\nM8 nut; 3.20")


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"name": "sing"}, f"There is no prompt 'sing'; there are {', '.join(NAMES)}"),
        ({"name": NAMES[0]}, "The prompt classify_price_list needs the argument lines"),
        ({"name": NAMES[0], "arguments": {"lines": "x", "y": "z"}}, "The prompt classify_price_list has no argument y"),
        ({"name": NAMES[0], "arguments": {"lines": 5}}, "params.arguments must be an object of strings"),
    ],
)
async def test_what_is_no_prompt_is_refused(mcp: McpClient, params: dict[str, Any], text: str) -> None:
    assert await mcp.request("prompts/get", params) == error_response(-32602, text)


async def test_prompts_are_shown_with_the_scopes_of_their_tools_alone(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call', 'classify'])}"}
    async with http_client(service, headers=headers) as client:
        mcp = HandshakeHttp(client)
        await mcp.open()
        assert [prompt["name"] for prompt in (await mcp.request("prompts/list"))["result"]["prompts"]] == NAMES[:1]
        assert (await mcp.request("prompts/get", {"name": NAMES[1]}))["error"]["code"] == 4403


async def test_the_taxonomy_of_a_prompt_is_completed(client: aiohttp.ClientSession) -> None:
    mcp = ModernWebSocket(client)
    await mcp.open()
    params = {"ref": {"type": "ref/prompt", "name": NAMES[0]}, "argument": {"name": "taxonomy", "value": "e"}}
    completed = (await mcp.request("completion/complete", params))["result"]["completion"]
    assert completed == {"values": ["etim"], "total": 1, "hasMore": False}


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "params.ref and params.argument must be objects"),
        ({"ref": {"type": "x"}, "argument": {}}, "params.ref.type must be one of ref/prompt, ref/resource"),
        (
            {"ref": {"type": "ref/prompt"}, "argument": {"name": "a", "value": "b"}},
            "params.ref.name, argument.name and argument.value must be strings",
        ),
    ],
)
async def test_a_malformed_completion_is_refused(
    client: aiohttp.ClientSession, params: dict[str, Any], text: str
) -> None:
    mcp = ModernWebSocket(client)
    await mcp.open()
    assert await mcp.request("completion/complete", params) == error_response(-32602, text)
