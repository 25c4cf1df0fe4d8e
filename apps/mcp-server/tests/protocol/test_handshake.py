from typing import Any

import aiohttp
import pytest
from mcp_clients import (
    CAPABILITIES,
    HANDSHAKE_METHODS,
    INITIALIZE,
    INSTRUCTIONS,
    SERVER_INFO,
    error_response,
    message,
    post,
)


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
            "capabilities": CAPABILITIES,
            "serverInfo": SERVER_INFO,
            "instructions": INSTRUCTIONS,
        },
    }
    assert await post(client, body) == (200, expected)
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    await socket.send_json(body)
    assert await socket.receive_json() == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            message("tasks/get"),
            error_response(-32601, f"There is no method 'tasks/get'; there are {HANDSHAKE_METHODS}"),
        ),
        (message("initialize", {}), error_response(-32602, "params.protocolVersion must be a string")),
        (message("tools/call", {}, "x"), error_response(-32602, "params.name must be the name of a tool", "x")),
    ],
)
async def test_errors_of_the_handshake_era_are_answers_like_others(
    client: aiohttp.ClientSession, body: object, expected: dict[str, Any]
) -> None:
    assert await post(client, body) == (200, expected)


async def test_a_revision_that_nobody_speaks_is_refused(client: aiohttp.ClientSession) -> None:
    supported = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
    assert await post(client, message("tools/list"), **{"MCP-Protocol-Version": "1999-01-01"}) == (
        400,
        error_response(
            -32022,
            f"The protocol version '1999-01-01' is not supported here; supported are {', '.join(supported)}",
            data={"supported": supported, "requested": "1999-01-01"},
        ),
    )
