import json
from typing import Any

import aiohttp
import pytest
from talk import INITIALIZE, MODERN_META, HandshakeWebSocket, ModernHttp, ModernWebSocket, message, modern_headers

SERVER_INFO = {"name": "nexus-mcp-server", "title": "Nexus", "version": "0.2.0"}
INSTRUCTIONS = (
    "Tools over this company's product data. classify_products gives UNSPSC or ETIM codes with confidence; "
    "list_products and get_product read the stored products."
)
TOOLS = ["classify_products", "list_products", "get_product"]


def _error(code: int, text: str, message_id: object = 1, **data: object) -> dict[str, Any]:
    error = {"code": code, "message": text, **data}
    return {"jsonrpc": "2.0", "id": message_id, "error": error}


async def _post(client: aiohttp.ClientSession, body: object, **headers: str) -> tuple[int, Any]:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await client.post("/mcp", data=text, headers={"Content-Type": "application/json", **headers})
    return response.status, await response.json()


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
    ],
)
async def test_initialize_agrees_on_a_revision_that_the_server_speaks(
    client: aiohttp.ClientSession, asked: str, spoken: str
) -> None:
    body = message("initialize", {**INITIALIZE, "protocolVersion": asked})
    expected = {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "protocolVersion": spoken,
            "capabilities": {"tools": {}},
            "serverInfo": SERVER_INFO,
            "instructions": INSTRUCTIONS,
        },
    }
    assert await _post(client, body) == (200, expected)
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(body)
    assert await socket.receive_json() == expected


@pytest.mark.parametrize("way", [ModernHttp, ModernWebSocket])
async def test_discover_tells_the_modern_revisions_and_what_the_server_does(
    client: aiohttp.ClientSession, way: type[ModernHttp | ModernWebSocket]
) -> None:
    talk = way(client)
    await talk.open()
    assert await talk.ask("server/discover") == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}},
            "instructions": INSTRUCTIONS,
            "ttlMs": 60000,
            "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": SERVER_INFO},
        },
    }


async def test_tools_are_listed_with_schemas_in_both_eras(client: aiohttp.ClientSession) -> None:
    old, new = HandshakeWebSocket(client), ModernWebSocket(client)
    await old.open()
    await new.open()
    listed = (await old.ask("tools/list"))["result"]
    assert (list(listed), [tool["name"] for tool in listed["tools"]]) == (["tools"], TOOLS)
    for tool in listed["tools"]:
        assert set(tool) == {"name", "title", "description", "inputSchema", "outputSchema", "annotations"}
        assert tool["inputSchema"]["type"] == tool["outputSchema"]["type"] == "object"
    assert (await new.ask("tools/list"))["result"] == {
        **new.result_extras,
        **listed,
        "ttlMs": 60000,
        "cacheScope": "public",
    }
    assert await old.ask("tools/list", {"cursor": "x"}) == _error(
        -32602, "There is only one page of tools; leave the cursor out"
    )


async def test_ping_belongs_to_the_handshake_era(client: aiohttp.ClientSession) -> None:
    old, new = HandshakeWebSocket(client), ModernWebSocket(client)
    await old.open()
    await new.open()
    assert await old.ask("ping") == {"jsonrpc": "2.0", "id": 1, "result": {}}
    known = "server/discover, tools/list, tools/call"
    assert await new.ask("ping") == _error(-32601, f"There is no method 'ping'; there are {known}")


NOT_ONE = "The message is not a JSON object; send one request at a time, not a batch"
NO_REQUEST = 'The message is no JSON-RPC 2.0 request: "jsonrpc" must be "2.0" and "method" a string'
FAULTY = [
    pytest.param(
        b"{", -32700, None, "The message is not JSON: EOF while parsing an object at line 1 column 1", id="cut"
    ),
    pytest.param(
        b"", -32700, None, "The message is not JSON: EOF while parsing a value at line 1 column 0", id="empty"
    ),
    pytest.param(b"NaN", -32700, None, "The message is not JSON: expected value at line 1 column 1", id="NaN"),
    pytest.param(b"[]", -32600, None, NOT_ONE, id="empty batch"),
    pytest.param(b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600, None, NOT_ONE, id="batch"),
    pytest.param(b"5", -32600, None, NOT_ONE, id="number"),
    pytest.param(b'{"id":7,"method":"ping"}', -32600, 7, NO_REQUEST, id="no version"),
    pytest.param(b'{"jsonrpc":"2.0","id":"a","method":5}', -32600, "a", NO_REQUEST, id="method no string"),
    pytest.param(b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600, 1, NO_REQUEST, id="answer"),
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


@pytest.mark.parametrize(("text", "code", "message_id", "told"), FAULTY)
async def test_faulty_messages_get_the_errors_of_json_rpc(
    client: aiohttp.ClientSession, text: bytes, code: int, message_id: object, told: str
) -> None:
    assert await _post(client, text) == (400, _error(code, told, message_id))
    talk = HandshakeWebSocket(client)
    await talk.open()
    await talk.socket.send_str(text.decode())
    assert await talk.socket.receive_json() == _error(code, told, message_id)
    assert "result" in await talk.ask("ping")


HANDSHAKE_METHODS = "initialize, ping, tools/list, tools/call"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            message("resources/list"),
            _error(-32601, f"There is no method 'resources/list'; there are {HANDSHAKE_METHODS}"),
        ),
        (message("initialize", {}), _error(-32602, "params.protocolVersion must be a string")),
        (message("tools/call", {}, "x"), _error(-32602, "params.name must be the name of a tool", "x")),
    ],
)
async def test_errors_of_the_handshake_era_are_answers_like_others(
    client: aiohttp.ClientSession, body: object, expected: dict[str, Any]
) -> None:
    assert await _post(client, body) == (200, expected)


async def test_a_revision_that_nobody_speaks_is_refused(client: aiohttp.ClientSession) -> None:
    supported = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
    assert await _post(client, message("tools/list"), **{"MCP-Protocol-Version": "1999-01-01"}) == (
        400,
        _error(
            -32022,
            f"The protocol version '1999-01-01' is not supported here; supported are {', '.join(supported)}",
            data={"supported": supported, "requested": "1999-01-01"},
        ),
    )


VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"


def _modern(method: str, **params: object) -> dict[str, Any]:
    return message(method, {"_meta": MODERN_META, **params})


@pytest.mark.parametrize(
    ("params", "headers", "status", "expected"),
    [
        pytest.param(
            {"_meta": {VERSION_KEY: "2026-07-28"}},
            {},
            400,
            _error(-32602, f"params._meta lacks {CAPABILITIES_KEY}"),
            id="no capabilities",
        ),
        pytest.param(
            {"_meta": None},
            {},
            400,
            _error(-32602, f"params._meta must be an object with {VERSION_KEY} and {CAPABILITIES_KEY}"),
            id="no envelope",
        ),
        pytest.param(
            {"_meta": {**MODERN_META, CAPABILITIES_KEY: []}},
            {},
            400,
            _error(-32602, f"In params._meta {VERSION_KEY} must be a string, {CAPABILITIES_KEY} an object"),
            id="capabilities no object",
        ),
        pytest.param(
            {"_meta": {**MODERN_META, VERSION_KEY: "2027-01-01"}},
            {"MCP-Protocol-Version": "2027-01-01"},
            400,
            _error(
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
            _error(-32020, "The header mcp-protocol-version must be sent once and say what the body says"),
            id="another revision in the header",
        ),
        pytest.param(
            {},
            {"Mcp-Method": "tools/call"},
            400,
            _error(-32020, "The header mcp-method must be sent once and say what the body says"),
            id="another method in the header",
        ),
    ],
)
async def test_a_modern_request_says_all_about_itself(
    client: aiohttp.ClientSession, params: dict[str, Any], headers: dict[str, str], status: int, expected: object
) -> None:
    full = {"_meta": MODERN_META, **params}
    sent = {**modern_headers("tools/list", full), **headers}
    assert await _post(client, message("tools/list", full), **sent) == (status, expected)


async def test_a_modern_request_repeats_the_tool_name_in_a_header(client: aiohttp.ClientSession) -> None:
    body = _modern("tools/call", name="get_product", arguments={"id": 1})
    headers = modern_headers("tools/call", body["params"])
    mismatch = _error(-32020, "The header mcp-name must be sent once and say what the body says")
    assert await _post(client, body, **{**headers, "Mcp-Name": "list_products"}) == (400, mismatch)
    assert await _post(client, body, **{**headers, "Mcp-Name": "=?base64?!?="}) == (400, mismatch)
    del headers["Mcp-Name"]
    assert await _post(client, body, **headers) == (400, mismatch)
    encoded = {**headers, "Mcp-Name": "=?base64?Z2V0X3Byb2R1Y3Q=?="}
    assert (await _post(client, body, **encoded))[0] == 200


async def test_a_routing_header_sent_twice_is_refused(client: aiohttp.ClientSession) -> None:
    headers = [*modern_headers("tools/list", {}).items(), ("Mcp-Method", "tools/list")]
    response = await client.post("/mcp", json=_modern("tools/list"), headers=headers)
    told = "The header mcp-method must be sent once and say what the body says"
    assert (response.status, await response.json()) == (400, _error(-32020, told))


async def test_an_unknown_modern_method_is_not_found(client: aiohttp.ClientSession) -> None:
    told = "There is no method 'prompts/list'; there are server/discover, tools/list, tools/call"
    answer = await _post(client, _modern("prompts/list"), **modern_headers("prompts/list", {}))
    assert answer == (404, _error(-32601, told))


async def test_discover_without_an_envelope_is_told_what_is_missing(client: aiohttp.ClientSession) -> None:
    told = f"params._meta must be an object with {VERSION_KEY} and {CAPABILITIES_KEY}"
    assert await _post(client, message("server/discover")) == (400, _error(-32602, told))


async def test_notifications_are_acknowledged_without_an_answer(client: aiohttp.ClientSession) -> None:
    for headers in ({}, {"MCP-Protocol-Version": "2025-11-25"}, modern_headers("notifications/cancelled", {})):
        body = message("notifications/cancelled", {"requestId": 1}, message_id=None)
        response = await client.post("/mcp", json=body, headers=headers)
        assert (response.status, await response.read()) == (202, b"")
