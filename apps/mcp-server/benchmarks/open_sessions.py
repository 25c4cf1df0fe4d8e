"""Memory and latency with many open sessions: 10,000 over HTTP, and as many WebSockets as a worker process admits.

Run: python benchmarks/open_sessions.py [--sessions 10000] [--websockets 2000]
from the app's folder, with the app and nexus_testkit on PYTHONPATH, and NEXUS_TEST_REDIS_URL. The server is one process
on 127.0.0.1 with one tool. The figures are those of the round, out of three, that cost the least CPU: a latency is the
median of calls made one after the other, CPU that of the server.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp
from call_cost import META, NAME, Served, environment_of, served, temporary_schema
from redis.asyncio import Redis

from nexus_testkit.issuer import Issuer

USERS = 100
AT_ONCE = 32
CALLS = 400
ROUNDS = 3
GROWTH = 1.1
KIBIBYTES = {"HTTP": 4, "WebSocket": 64}
"""What is asked: how many times as much a call may cost with all sessions, and the memory of each."""

CACHED_SECONDS = 6
"""After so long a process has to read a session from Redis again."""

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"elicitation": {}, "roots": {"listChanged": True}},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}
PARAMS = {"name": NAME, "arguments": {"a": 20, "b": 22}}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": PARAMS}
MODERN = {**CALL, "params": {**PARAMS, "_meta": META}}


def resident(process: Served) -> int:
    """Bytes of memory that the server has."""
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


async def begin(client: aiohttp.ClientSession, token: str) -> dict[str, str]:
    """Begin a session; returns the headers for its requests."""
    headers = {"Authorization": f"Bearer {token}"}
    async with client.post("/mcp", json=INITIALIZE, headers=headers) as response:
        return {
            **headers,
            "Mcp-Session-Id": response.headers["Mcp-Session-Id"],
            "MCP-Protocol-Version": "2025-11-25",
        }


async def call_all(client: aiohttp.ClientSession, sessions: list[dict[str, str]]) -> tuple[float, float]:
    """Make calls in sessions that differ; returns their median latency and the slowest hundredth, in milliseconds."""
    times = []
    for number in range(CALLS):
        headers = sessions[number * 7919 % len(sessions)]
        started = time.perf_counter()
        async with client.post("/mcp", json=CALL, headers=headers) as response:
            answer = await response.json()
        times.append((time.perf_counter() - started) * 1000)
        if answer["result"]["structuredContent"] != {"sum": 42}:
            raise SystemExit(str(answer))
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


async def measured(
    what: str, server: Served, calls: Callable[[], Awaitable[tuple[float, float]]], pause: float = 0
) -> float:
    """Print the latency of calls, and what they cost; returns the least cost of the rounds, in microseconds."""
    rounds = []
    for _ in range(ROUNDS):
        await asyncio.sleep(pause)
        before = server.cpu_seconds()
        median, slow = await calls()
        rounds.append(((server.cpu_seconds() - before) * 1e6 / CALLS, median, slow))
    cost, median, slow = min(rounds)
    print(f"{what}: {median:.2f} ms (99 %: {slow:.2f} ms), {cost:.0f} us of CPU")
    return cost


async def over_http(server: Served, issuer: Issuer, count: int, redis: Redis) -> None:
    """Print the figures of sessions over HTTP."""
    tokens = [issuer.mint("mcp-server", ["tools:call"], subject=f"user-{number}") for number in range(USERS)]
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", connector=connector) as client:
        few = [await begin(client, token) for token in tokens for _ in range(CALLS // USERS)]
        await call_all(client, few)
        first = await cold_and_warm(f"HTTP, {len(few)} sessions", server, client, few)
        memory, stored = resident(server), int((await redis.info("memory"))["used_memory"])
        sessions: list[dict[str, str]] = []
        while len(sessions) < count - len(few):
            sessions += await asyncio.gather(*(begin(client, token) for token in tokens))
        grown, kept = resident(server) - memory, int((await redis.info("memory"))["used_memory"]) - stored
        last = await cold_and_warm(f"HTTP, {count} sessions", server, client, sessions)
    print(f"HTTP: {grown / count / 1024:.1f} KiB of memory and {kept / count / 1024:.1f} KiB in Redis for each session")
    asked("HTTP", grown / count / 1024, max(last[0] / first[0], last[1] / first[1]))
    print(
        f"HTTP: with {count} sessions a call costs {last[0] / first[0]:.2f} times as much, in one used before {last[1] / first[1]:.2f}"
    )


def asked(transport: str, kibibytes: float, growth: float) -> None:
    """Print the figures beside what is asked."""
    print(f"{transport}, memory of a session: asked <= {KIBIBYTES[transport]} KiB, measured {kibibytes:.1f} KiB")
    print(f"{transport}, cost of a call with all sessions: asked <= {GROWTH} times as much, measured {growth:.2f}")


async def cold_and_warm(
    what: str, server: Served, client: aiohttp.ClientSession, sessions: list[dict[str, str]]
) -> tuple[float, float]:
    """Print the figures of calls in sessions that the process has to read from Redis, and of calls in the same again."""
    calls = partial(call_all, client, sessions)
    cold = await measured(what, server, calls, CACHED_SECONDS)
    return cold, await measured(f"{what}, used before", server, calls)


async def forget(redis: Redis) -> None:
    """Delete the sessions, so that the next run begins without them."""
    async for key in redis.scan_iter("mcp:session*", count=1000):
        await redis.unlink(key)


async def over_websocket(server: Served, issuer: Issuer, count: int) -> None:
    """Print the figures of WebSockets, all of which have begun a session of the handshake era."""
    headers = {"Authorization": f"Bearer {issuer.mint('mcp-server', ['tools:call'])}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}", headers=headers, connector=connector) as client:
        sockets = [await client.ws_connect("/mcp", protocols=["mcp"]) for _ in range(10)]
        await calls_of(sockets)
        first = await measured("WebSocket, 10 connections", server, partial(calls_of, sockets))
        memory = resident(server)
        while len(sockets) < count:
            some = await asyncio.gather(*(client.ws_connect("/mcp", protocols=["mcp"]) for _ in range(AT_ONCE)))
            for socket in some:
                await socket.send_json(INITIALIZE)
                await socket.receive()
            sockets += some
        grown = resident(server) - memory
        last = await measured(f"WebSocket, {len(sockets)} connections", server, partial(calls_of, sockets))
        print(f"WebSocket: {grown / len(sockets) / 1024:.1f} KiB of memory for each connection")
        print(f"WebSocket: a call costs {last / first:.2f} times as much as with 10 connections")
        asked("WebSocket", grown / len(sockets) / 1024, last / first)


async def calls_of(sockets: list[aiohttp.ClientWebSocketResponse]) -> tuple[float, float]:
    """Make calls by connections that differ; returns their median latency and the slowest hundredth, in milliseconds."""
    times = []
    for number in range(CALLS):
        socket = sockets[number * 7919 % len(sockets)]
        started = time.perf_counter()
        await socket.send_str(json.dumps(MODERN))
        answer = await socket.receive_json()
        times.append((time.perf_counter() - started) * 1000)
        if answer["result"]["structuredContent"] != {"sum": 42}:
            raise SystemExit(str(answer))
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with environment_of(Path(folder), options.postgres) as (environment, issuer):
            with served(["--serve", "ours"], environment) as server:
                async with Redis.from_url(environment["NEXUS_REDIS_URL"]) as redis:
                    await over_http(server, issuer, options.sessions, redis)
                    await forget(redis)
                await over_websocket(server, issuer, options.websockets)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--websockets", type=int, default=1984)
    options = parser.parse_args()
    with temporary_schema() as options.postgres:
        asyncio.run(measure(options))


if __name__ == "__main__":
    main()
