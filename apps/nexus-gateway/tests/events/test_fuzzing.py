"""Frames of any kind, ten thousand of them: each is answered or ends the connection, and nothing of them is left."""

import asyncio
import gc
import json
import random
import tracemalloc
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from conftest import Mint
from redis.asyncio import Redis
from websocket_client import client_of
from websockets.exceptions import ConnectionClosed

FRAMES = 10_000
PER_CONNECTION = 250
SEED = 20_261_126

_WORDS = ["auth", "ping", "publish", "subscribe", "unsubscribe", "event", "", "PING", "op", "\x00", "é🙂", "a" * 300]
_CHANNELS = [
    "app:x",
    "data:product",
    "user:alice",
    "user:bob",
    "classification:a",
    "data:",
    "app:X",
    "gateway:1",
    "app:x\n",
]
_OFFSETS = ["0-0", "1-1", "9999999999999999999-0", "-", "1--1", "\u0661-0", "1" * 30, ""]


def value(source: random.Random, depth: int = 0) -> Any:  # noqa: ANN401  any JSON value
    """Any JSON value, also one that Python writes and JSON does not have."""
    kinds = [
        lambda: source.choice(_WORDS + _CHANNELS + _OFFSETS),
        lambda: source.choice([None, True, False, 0, -1, 2**70, 1e308, float("nan"), float("inf"), -0.0]),
        lambda: "\ud800" if source.random() < 0.1 else source.randbytes(8).decode("latin-1"),
        lambda: [value(source, depth + 1) for _ in range(source.randrange(4))],
        lambda: {str(value(source, 9)): value(source, depth + 1) for _ in range(source.randrange(4))},
    ]
    return source.choice(kinds if depth < 4 else kinds[:3])()


def frame(source: random.Random) -> str | bytes:
    """A frame that is right, nearly right, or nothing at all."""
    body: dict[str, Any] = {"op": source.choice(_WORDS[:5] if source.random() < 0.8 else _WORDS)}
    for name, choices in (("channel", _CHANNELS), ("epoch", _WORDS), ("offset", _OFFSETS), ("token", _WORDS)):
        if source.random() < 0.5:
            body[name] = source.choice(choices) if source.random() < 0.7 else value(source)
    if source.random() < 0.5:
        body["data"] = value(source)
    text = json.dumps(body)
    match source.randrange(10):
        case 0:
            cut = source.randrange(len(text))
            return text[:cut] + source.choice(["", "{", '"', "\\", "\x7f"]) + text[cut + source.randrange(3) :]
        case 1:
            return json.dumps(value(source))
        case 2:
            return source.choice(
                ["[" * 60_000, '{"a":' * 10_000, text * 20, "", " ", "\ufeff{}", '{"op":"ping","op":"ping"}']
            )
        case 3 if source.random() < 0.02:
            return source.randbytes(source.randrange(200))  # a binary frame ends the connection
        case 4 if source.random() < 0.01:
            return "x" * 70_000  # so does one that is too large
    return text


async def bombard(gateway: str, headers: dict[str, str], source: random.Random) -> Counter[str]:
    """Send frames over one connection; returns how they were answered, and how it was closed."""
    found: Counter[str] = Counter()

    async def read() -> None:
        with suppress(ConnectionClosed):
            async for text in client.socket:
                answer = json.loads(text)
                found[answer["op"]] += 1
                assert int(answer.get("status", 400)) < 500, answer

    async with client_of(gateway, headers) as client:
        reading = asyncio.create_task(read())
        with suppress(ConnectionClosed):
            for _ in range(PER_CONNECTION):
                await client.socket.send(frame(source))
                found["sent"] += 1
            await client.send(op="ping")
        await asyncio.sleep(0)
        await client.socket.close()
        await reading
        found[f"closed {client.socket.close_code}"] += 1
    return found


@pytest.fixture
def many_messages(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("NEXUS_RATE_LIMITS", f"messages={10 * FRAMES}/60")


@pytest.mark.usefixtures("redis", "many_messages")
async def test_10000_fuzzed_frames_break_nothing_and_leave_nothing(
    gateway: str, mint: Mint, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    headers = mint("data:read", "events:publish")
    source, found, sizes = random.Random(SEED), Counter[str](), []  # noqa: S311  a test that can be repeated
    tasks = len(asyncio.all_tasks())
    tracemalloc.start()
    while found["sent"] < FRAMES:
        found += await bombard(gateway, headers, source)
        await asyncio.sleep(0.05)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()

    assert {name for name in found if name.startswith("closed")} <= {"closed 1000", "closed 1003", "closed 1009"}
    assert found.keys() >= {"error", "pong", "subscribed", "unsubscribed", "published"}
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []
    assert len(asyncio.all_tasks()) <= tasks
    half = len(sizes) // 2
    assert min(sizes[half:]) - min(sizes[half // 2 : half]) < 512 * 1024  # bytes that 5,000 frames leave
    assert set(await redis.keys("nexus:channel:*")) == {"nexus:channel:default:app:x"}
