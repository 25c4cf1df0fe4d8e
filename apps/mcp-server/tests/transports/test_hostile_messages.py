"""Messages that nobody should send: each has the right answer, and the service goes on."""

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import aiohttp
from mcp_clients import MODERN_META, message

MESSAGES = 5000
CODES = {-32700, -32600, -32601, -32602, -32603, -32002, -32020, -32021, -32022, 4403, 4503}
_METHODS = (
    "initialize",
    "ping",
    "tools/list",
    "tools/call",
    "resources/read",
    "resources/subscribe",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "tasks/get",
    "server/discover",
    "notifications/cancelled",
    "",
    "x" * 300,
)
_VALUES: tuple[Any, ...] = (None, True, 0, -1, 1.5, 2**70, "", "x", "\x00", "ü" * 50, [], [1], {}, {"a": {}}, [[[]]])
_NAMES = (
    "name",
    "arguments",
    "uri",
    "cursor",
    "_meta",
    "ref",
    "argument",
    "level",
    "taskId",
    "requestId",
    "notifications",
)


def _texts(dice: random.Random) -> Iterator[str]:
    """Messages that are damaged in one way or another."""
    for number in range(MESSAGES):
        params = {dice.choice(_NAMES): dice.choice(_VALUES) for _ in range(dice.randrange(4))}
        if dice.random() < 0.3:
            params["_meta"] = {**MODERN_META, dice.choice(list(MODERN_META)): dice.choice(_VALUES)}
        body: Any = message(dice.choice(_METHODS), params, number)
        if dice.random() < 0.3:
            body[dice.choice(("jsonrpc", "id", "method", "params"))] = dice.choice(_VALUES)
        text = json.dumps(body)
        if dice.random() < 0.3:
            cut = dice.randrange(len(text))
            text = dice.choice((text[:cut], text[:cut] + dice.choice('{}[]",:\\') + text[cut:], f"[{text}]", text * 2))
        yield text


def _check(answer: Any) -> str:  # noqa: ANN401  any JSON value
    """What kind of answer it is; it must be one of JSON-RPC with a code that this server may send."""
    for one in answer if isinstance(answer, list) else [answer]:
        assert one["jsonrpc"] == "2.0"
        assert ("result" in one) != ("error" in one)
        assert one.get("id", 0) is not None
        if "error" in one:
            assert one["error"]["code"] in CODES
            assert one["error"]["code"] != -32603, one
    return "answered"


async def test_damaged_messages_over_http_are_answered_with_the_right_codes(client: aiohttp.ClientSession) -> None:
    seen: Counter[object] = Counter()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    for text in _texts(random.Random(7)):  # noqa: S311  the same ones each time
        response = await client.post("/mcp", data=text.encode(), headers=headers)
        seen[response.status] += 1
        if response.status != 202:
            assert response.status in {200, 400, 403, 404}, (response.status, text)
            _check(await response.json(content_type=None))
    assert seen[200] > 500
    assert seen[400] > 500


async def test_damaged_messages_over_websocket_do_not_end_the_connection(client: aiohttp.ClientSession) -> None:
    socket = await client.ws_connect("/mcp", protocols=["mcp"])
    dice = random.Random(8)  # noqa: S311  the same ones each time
    answered = 0
    for number, text in enumerate(_texts(dice)):
        await socket.send_str(text)
        if number % 20 == 0:  # whatever was sent is answered before this one, but for what takes a while
            await socket.send_json(message("ping", message_id=f"ping-{number}"))
            while (answer := await socket.receive_json(timeout=20)).get("id") != f"ping-{number}":
                _check(answer)
                answered += 1
    assert answered > MESSAGES // 2
