"""A tool that changes something runs once for each time that its user was asked."""

from typing import Any

import aiohttp
from conftest import MakeSettings
from mcp_clients import ModernWebSocket, error_response

from mcp_server.app import create_app
from mcp_server.catalogue import Catalogue
from mcp_server.protocol.messages import InputRequired
from mcp_server.tools.registry import Content, Tool
from mcp_server.tools.request import Request
from nexus_testkit import serving

QUESTION = {"method": "elicitation/create", "params": {"message": "Pay?", "requestedSchema": {"type": "object"}}}
CAPABILITIES = {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}
NONE: dict[str, Any] = {"type": "object"}


async def test_the_state_of_a_round_counts_once_at_every_process(make_settings: MakeSettings, token: str) -> None:
    paid = []

    async def pay(_arguments: dict[str, Any], request: Request) -> Content | InputRequired:
        if request.state is None:
            return InputRequired({"sure": QUESTION}, {"amount": 5})
        paid.append(request.state["amount"])
        return Content([])

    tool = Tool("pay", "Pay", "Pays.", NONE, None, frozenset(), pay, read_only=False)
    headers = {"Authorization": f"Bearer {token}"}
    apps = [create_app(make_settings(), lambda _upstreams, _notices: Catalogue(tools=[tool])) for _ in range(2)]
    async with (
        serving(apps[0]) as one,
        serving(apps[1]) as two,
        aiohttp.ClientSession(one, headers=headers) as first,
        aiohttp.ClientSession(two, headers=headers) as second,
    ):
        clients = [ModernWebSocket(first), ModernWebSocket(second)]
        for mcp in clients:
            await mcp.open()
        asked = await clients[0].request("tools/call", {"name": "pay"}, CAPABILITIES)
        again = {"name": "pay", "requestState": asked["result"]["requestState"], "inputResponses": {"sure": {}}}
        answers = [await mcp.request("tools/call", again, CAPABILITIES) for mcp in (*clients, *clients)]
        for mcp in clients:
            await mcp.socket.close()
    assert paid == [5]
    assert answers[0]["result"]["isError"] is False
    refusal = error_response(-32602, "params.requestState was used already; send the request without it")
    assert answers[1:] == [refusal] * 3
