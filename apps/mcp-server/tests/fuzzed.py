"""Messages that nobody should send, and what may be answered."""

import json
import random
from collections.abc import Iterator
from typing import Any

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


def texts(seed: int) -> Iterator[str]:
    """Messages that are damaged in one way or another, the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311  not for secrets
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


def check(answer: Any) -> list[int | None]:  # noqa: ANN401  any JSON value
    """The codes of an answer, None for a result; it must be one of JSON-RPC with codes that this server may send."""
    for one in answer if isinstance(answer, list) else [answer]:
        assert one["jsonrpc"] == "2.0"
        assert ("result" in one) != ("error" in one)
        assert one.get("id", 0) is not None
        if "error" in one:
            assert one["error"]["code"] in CODES
            assert one["error"]["code"] != -32603, one
    return [
        one["error"]["code"] if "error" in one else None for one in (answer if isinstance(answer, list) else [answer])
    ]
