import json

import aiohttp
import pytest
from _pytest.mark import ParameterSet
from mcp_clients import HandshakeWebSocket, McpClient, error_response, message, post

from mcp_server.protocol import jsonrpc

NOT_ONE = "The message is not a JSON object; send one request at a time, not a batch"
NO_REQUEST = 'The message is not a JSON-RPC 2.0 request: "jsonrpc" must be "2.0" and "method" a string'
SURROGATE = "it has a lone surrogate: unexpected end of hex escape at line 1 column 18"


def _unreadable(text: bytes, reason: str, *, id: str) -> ParameterSet:  # noqa: A002 - as pytest.param has it
    return pytest.param(text, -32700, None, f"The message cannot be read: {reason}", id=id)


FAULTY = [
    _unreadable(b"{", "Expecting property name enclosed in double quotes at line 1, column 2", id="cut"),
    _unreadable(b"", "it is empty", id="empty"),
    _unreadable(b'{"id":NaN}', "NaN is not JSON", id="NaN"),
    _unreadable(b'{"id":1e999}', "the number 1e999 is too large", id="infinite"),
    pytest.param(
        b'{"id":1,"id":2}',
        -32600,
        None,
        "The message is ambiguous: the name 'id' is given twice in one object",
        id="name twice",
    ),
    _unreadable(b"\xef\xbb\xbf{}", "it begins with a byte order mark; leave that out", id="byte order mark"),
    _unreadable(b'{"method":"\\ud800"}', SURROGATE, id="lone surrogate"),
    _unreadable(b"[" * 65 + b"]" * 65, "it is nested more than 64 deep", id="deep"),
    _unreadable(b'{"params":[' + b"{}," * 100_000 + b"{}]}", "it has more than 100000 values", id="many values"),
    pytest.param(b"5", -32600, None, NOT_ONE, id="number"),
    pytest.param(b'{"id":7,"method":"ping"}', -32600, 7, NO_REQUEST, id="no version"),
    pytest.param(b'{"jsonrpc":"2.0","id":"a","method":5}', -32600, "a", NO_REQUEST, id="method no string"),
    pytest.param(
        b'{"jsonrpc":"2.0","id":1}',
        -32600,
        1,
        "A response has either a result or an error, which is an object",
        id="none",
    ),
    pytest.param(
        b'{"jsonrpc":"2.0","id":null,"method":"ping"}',
        -32600,
        None,
        "The id of a request must be a string or an integer",
        id="null id",
    ),
    pytest.param(
        b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}',
        -32600,
        None,
        "The id of a request must be a string or an integer",
        id="fractional id",
    ),
    pytest.param(
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32602, 1, "The params are not an object", id="params"
    ),
]


@pytest.mark.parametrize(("body", "code", "message_id", "text"), FAULTY)
async def test_faulty_messages_get_the_errors_of_json_rpc(
    client: aiohttp.ClientSession, body: bytes, code: int, message_id: object, text: str
) -> None:
    headers = {"MCP-Protocol-Version": "2025-11-25"}
    assert await post(client, body, **headers) == (400, error_response(code, text, message_id))
    mcp = HandshakeWebSocket(client)
    await mcp.open()
    await mcp.socket.send_str(body.decode())
    assert await mcp.socket.receive_json() == error_response(code, text, message_id)
    assert "result" in await mcp.request("ping")


async def test_text_that_is_not_utf_8_is_refused(client: aiohttp.ClientSession) -> None:
    text = "The message cannot be read: it is not UTF-8: byte 0 is 0xff"
    assert await post(client, b"\xff\xfe{}") == (400, error_response(-32700, text, None))


async def test_params_that_are_null_are_the_same_as_none(mcp: McpClient) -> None:
    body = {**message("tools/call"), "params": None}
    assert jsonrpc.read(json.dumps(body)) == jsonrpc.Call("tools/call", {}, 1)
    listed = await mcp.request("tools/call", {"name": "list_products", "arguments": None})
    assert listed["result"]["isError"] is False


async def test_a_ping_with_null_params_is_answered_by_both_transports(client: aiohttp.ClientSession) -> None:
    body = {**message("ping"), "params": None}
    expected = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert await post(client, body) == (200, expected)
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(body)
    assert await socket.receive_json() == expected
