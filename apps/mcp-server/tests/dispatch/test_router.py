import aiohttp
import pytest
from mcp_clients import MODERN_METHODS, HandshakeWebSocket, ModernWebSocket, error_response, message, modern_headers

from mcp_server.dispatch.context import RequestContext
from mcp_server.dispatch.router import MethodRouter
from mcp_server.protocol.errors import RpcError
from mcp_server.protocol.messages import Call
from mcp_server.protocol.request_state import StateSealer
from nexus_chassis.tokens import Principal


async def test_ping_belongs_to_the_handshake_era(client: aiohttp.ClientSession) -> None:
    old, new = HandshakeWebSocket(client), ModernWebSocket(client)
    await old.open()
    await new.open()
    assert await old.request("ping") == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert await new.request("ping") == error_response(-32601, f"There is no method 'ping'; there are {MODERN_METHODS}")


async def test_notifications_are_acknowledged_without_an_answer(client: aiohttp.ClientSession) -> None:
    for headers in ({}, {"MCP-Protocol-Version": "2025-11-25"}, modern_headers("notifications/cancelled", {})):
        body = message("notifications/cancelled", {"requestId": 1}, message_id=None)
        response = await client.post("/mcp", json=body, headers=headers)
        assert (response.status, await response.read()) == (202, b"")


async def test_a_fault_in_one_request_is_logged_and_does_not_end_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_params: dict[str, object], _context: RequestContext) -> dict[str, object]:
        raise ZeroDivisionError

    methods = MethodRouter(
        {"fail": fail},
        of_handshake={},
        of_stateless={},
        version="1",
        capabilities={},
        extensions={},
        instructions="",
        sealer=StateSealer("secret"),
    )
    principal = Principal("alice", "tests", frozenset(), "", 2**40, "jti")
    with pytest.raises(RpcError) as caught:
        await methods.handshake(Call("fail", {}, 1), RequestContext(principal=principal))
    assert (caught.value.code, str(caught.value)) == (
        -32603,
        "The server failed on this request; its log has the reason",
    )
    assert [record.message for record in caplog.records] == ["fail failed"]
