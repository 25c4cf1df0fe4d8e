"""What agents read about workflows, and how they hear of a deployment."""

import json
from typing import Any

import aiohttp
import pytest
from conftest import MakeToken
from mcp_clients import HandshakeWebSocket, McpClient, http_client
from workflow_client import arguments_of, deploy, draft, put_alias

pytestmark = pytest.mark.usefixtures("names", "no_workflows")


async def _read(mcp: McpClient, uri: str) -> Any:  # noqa: ANN401  any JSON value
    answer = await mcp.request("resources/read", {"uri": uri})
    return json.loads(answer["result"]["contents"][0]["text"]) if "result" in answer else answer["error"]["code"]


async def test_agents_read_what_the_aliases_of_their_tenants_workflows_name(
    workflow_service: str, deployer: aiohttp.ClientSession, make_token: MakeToken
) -> None:
    await deploy(
        deployer,
        "sums",
        draft("result = a", inputSchema=arguments_of("a"), inputs={"only": {"a": "a"}}),
        arguments={"a": 1},
    )
    mcp = HandshakeWebSocket(deployer)
    await mcp.open()
    assert await _read(mcp, "nexus://workflows") == {"items": [{"name": "sums", "latest": 1, "aliases": {"live": 1}}]}
    found = await _read(mcp, "nexus://workflows/sums")
    live = found["aliases"]["live"]
    assert (live["version"], live["scopes"], live["inputSchema"]) == (1, [], arguments_of("a"))
    assert live["definition"]["nodes"]["only"]["config"]["code"] == "result = a"
    assert await _read(mcp, "nexus://workflows/other") == -32002
    await mcp.socket.close()
    async with http_client(workflow_service, headers={"Authorization": f"Bearer {make_token(tenant='acme')}"}) as acme:
        mcp = HandshakeWebSocket(acme)
        await mcp.open()
        assert await _read(mcp, "nexus://workflows") == {"items": []}
        assert await _read(mcp, "nexus://workflows/sums") == -32002
        await mcp.socket.close()


async def test_a_subscriber_hears_of_a_deployment_at_another_server(
    deployer: aiohttp.ClientSession, replica: aiohttp.ClientSession
) -> None:
    await deploy(deployer, "sums", draft("result = 1"))
    await deploy(deployer, "sums", draft("result = 2"))
    mcp = HandshakeWebSocket(replica)
    await mcp.open()
    await mcp.request("resources/subscribe", {"uri": "nexus://workflows/sums"})
    assert (await put_alias(deployer, "sums", "live", 1))[0] == 200
    heard = [await mcp.socket.receive_json(timeout=5) for _ in range(2)]
    assert {notice["method"]: notice["params"] for notice in heard} == {
        "notifications/resources/list_changed": {},
        "notifications/resources/updated": {"uri": "nexus://workflows/sums"},
    }
    await mcp.socket.close()
