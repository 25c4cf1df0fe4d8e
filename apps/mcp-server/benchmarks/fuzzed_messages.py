"""5,000 damaged messages on each transport: what they are answered with, and the memory of the server before and after.

Run: python benchmarks/fuzzed_messages.py
from the app's folder, with the app, its tests and nexus_testkit on PYTHONPATH, NEXUS_TEST_POSTGRES_URL and
NEXUS_TEST_REDIS_URL. The server is one process on 127.0.0.1. As many messages of another seed come first, so that what it
keeps anyway is there before. The script ends with an error at an answer that is none of JSON-RPC, has a code that this
server has no use for, or is an internal error.
"""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import aiohttp
from call_cost import environment_of, served, temporary_schema
from fuzzed import MESSAGES, check, texts
from open_sessions import resident

PING_EVERY = 20
KIBIBYTES = 2048
"""How much the memory may grow: allocators keep more or less of what was freed."""

type Counts = Counter[str]


def note(counts: Counts, answer: Any) -> None:  # noqa: ANN401  any JSON value
    """Count what an answer is."""
    counts.update("result" if code is None else f"error {code}" for code in check(answer))


async def by_http(client: aiohttp.ClientSession, seed: int) -> Counts:
    """Send the messages one after the other; returns what they were answered with."""
    counts: Counts = Counter()
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    for text in texts(seed):
        async with client.post("/mcp", data=text.encode(), headers=headers) as response:
            body = await response.read()
            counts["HTTP 5xx" if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "HTTP below 500"] += 1
            if body:
                note(counts, json.loads(body))
    return counts


async def by_websocket(client: aiohttp.ClientSession, seed: int) -> Counts:
    """Send the messages over one connection; returns what they were answered with."""
    counts: Counts = Counter()
    async with client.ws_connect("/mcp", protocols=["mcp"]) as socket:
        for number, text in enumerate(texts(seed)):
            await socket.send_str(text)
            if number % PING_EVERY == 0:
                ping = f"ping-{number}"
                await socket.send_json({"jsonrpc": "2.0", "id": ping, "method": "ping"})
                while (answer := await socket.receive_json()).get("id") != ping:
                    note(counts, answer)
    return counts


TRANSPORTS: dict[str, Callable[[aiohttp.ClientSession, int], Awaitable[Counts]]] = {
    "HTTP": by_http,
    "WebSocket": by_websocket,
}


async def measure(postgres: SplitResult) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with environment_of(Path(folder), postgres) as (environment, issuer):
            with served(["--serve", "ours"], environment) as server:
                headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call'], lifetime=7200)}"}
                async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers) as client:
                    for transport, send in TRANSPORTS.items():
                        await send(client, 7)
                        before = resident(server)
                        counts = await send(client, 8)
                        grown = (resident(server) - before) // 1024
                        print(f"{transport}: {', '.join(f'{count} {what}' for what, count in sorted(counts.items()))}")
                        print(
                            f"{transport}: {MESSAGES} messages: asked 0 answers with 5xx, measured {counts['HTTP 5xx']}"
                        )
                        print(
                            f"{transport}: memory {before // 1024} KiB before, {before // 1024 + grown} KiB after: "
                            f"asked <= {KIBIBYTES} KiB more, measured {grown} KiB"
                        )
        if server.process.returncode not in {0, None}:
            raise SystemExit(f"the server ended with {server.process.returncode}")


if __name__ == "__main__":
    with temporary_schema() as url:
        asyncio.run(measure(url))
