"""Latency of writes while Redis hangs - it accepts connections and answers nothing - beside that while all is well.

    NEXUS_TEST_POSTGRES_URL=postgresql://... NEXUS_TEST_REDIS_URL=redis://... PYTHONPATH=tests python benchmarks/hung_redis.py

Clients create rows, in turns while Redis answers and while it hangs, each time for longer than the service waits for it.
"""

import asyncio
import os
import time
from contextlib import ExitStack

import aiohttp
from servers import database, service

from nexus_testkit.tcp_proxy import TcpProxy

CONNECTIONS = 4
ROUNDS = 4
SECONDS = 6.5
SETTLE_SECONDS = 2


async def write(url: str, token: str, seconds: float) -> list[float]:
    """Create rows for a time; returns how long each answer took, in seconds."""
    latencies: list[float] = []
    until = time.monotonic() + seconds

    async def connection(client: aiohttp.ClientSession) -> None:
        while time.monotonic() < until:
            started = time.perf_counter()
            async with client.post("/v1/product", json={"name": "written meanwhile"}) as answer:
                if answer.status != 201:  # noqa: PLR2004 - created
                    raise SystemExit(f"The answer is {answer.status}: {await answer.text()}")
            latencies.append(time.perf_counter() - started)

    async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as client:
        await asyncio.gather(*(connection(client) for _ in range(CONNECTIONS)))
    return latencies


async def compare(proxy: TcpProxy, url: str, token: str) -> dict[str, list[float]]:
    """Return the latencies while Redis answers and while it hangs, in seconds and in order."""
    found: dict[str, list[float]] = {"answers": [], "hangs": []}
    await write(url, token, SETTLE_SECONDS)
    for _ in range(ROUNDS):
        found["answers"] += await write(url, token, SECONDS)
        proxy.hang()
        found["hangs"] += await write(url, token, SECONDS)
        proxy.resume()
        await asyncio.sleep(SETTLE_SECONDS)  # what is late is published
    return {name: sorted(latencies) for name, latencies in found.items()}


async def measure() -> None:
    """Print the latencies and their ratio."""
    redis_url = os.environ["NEXUS_TEST_REDIS_URL"]
    async with TcpProxy(redis_url) as proxy:
        with ExitStack() as stack:
            # In threads, for the proxy must pass on what the service sends when it starts.
            postgres_url = await asyncio.to_thread(stack.enter_context, database())
            variables = {"NEXUS_REDIS_URL": proxy.instead_of(redis_url)}
            running = await asyncio.to_thread(stack.enter_context, service(postgres_url, **variables))
            found = await compare(proxy, running.url, running.token)
            await asyncio.to_thread(stack.close)
    for name, latencies in found.items():
        median, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
        print(f"Redis {name:<8} {len(latencies)} writes, median {median:.2f} ms, p99 {p99:.2f} ms")
    hangs, answers = (found[name][int(len(found[name]) * 0.99)] for name in ("hangs", "answers"))
    print(f"p99 while Redis hangs: {hangs / answers:.2f} times that of other times")


if __name__ == "__main__":
    asyncio.run(measure())
