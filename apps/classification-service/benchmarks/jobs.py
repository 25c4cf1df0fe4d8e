"""A job of many rows: rate, memory, two kills, and what ten users with small requests notice of it.

Run: NEXUS_POSTGRES_URL=... NEXUS_POSTGRES_PASSWORD_FILE=... python benchmarks/jobs.py [ROWS] [DISTINCT]
(from the app's folder, with the app and nexus_testkit installed or on PYTHONPATH). The baseline of the rate is the same texts
in requests of 1000 to POST /v1/classify; that of the users is the service without a job.
"""

import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from classification_service.taxonomies.service import load_starters
from nexus_testkit.issuer import Issuer, running_issuer
from nexus_testkit.process import ServiceProcess

_USERS = 10
_PAUSE_SECONDS = 0.5
_BASELINE_SECONDS = 10
_BATCH = 1000
_KILLS_AT = (0.25, 0.6)


class _Service:
    """The service as processes, which are killed and started again; `peak` is the most memory of one, in MiB."""

    def __init__(self, issuer: Issuer) -> None:
        self._environment = {"NEXUS_ISSUER": issuer.url, "NEXUS_JWKS_URL": issuer.jwks_url}
        token = issuer.mint("classification-service", ["classify"], lifetime=7200)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.peak = 0
        self.start()

    def start(self) -> None:
        self.process = ServiceProcess(["-m", "classification_service"], self._environment)
        self.process.wait_until_it_answers()

    def look(self) -> None:
        for pid in self._pids():
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text("ascii")
                self.peak = max(self.peak, int(status.partition("VmHWM:")[2].split()[0]) // 1024)

    def kill(self) -> None:
        self.look()
        for pid in self._pids():
            os.kill(pid, signal.SIGKILL)
        self.process.process.communicate()

    def _pids(self) -> list[int]:
        pid = self.process.process.pid
        return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split())]


async def main() -> None:
    """Print the figures."""
    rows, distinct = (int(text) for text in [*sys.argv[1:], "1000000", "20000"][:2])
    texts = _texts(distinct)
    with running_issuer() as issuer:
        service = _Service(issuer)
        print(f"baseline, requests of {_BATCH}: {await _request_rate(service, texts):7.0f} items/s")
        print(f"{_USERS} users without a job:     {await _latency(service, _BASELINE_SECONDS)}")
        await _job(service, rows, texts)
        service.kill()


def _texts(distinct: int) -> list[str]:
    nodes = load_starters().get("unspsc").nodes
    titles = [node.title.replace(",", "") for node in nodes]  # no row needs quotes
    return [f"{titles[number % len(titles)]} type {number}" for number in range(distinct)]


async def _request_rate(service: _Service, texts: list[str]) -> float:
    body = {"taxonomy": "unspsc", "items": [{"text": text} for text in texts[:_BATCH]]}
    async with aiohttp.ClientSession(service.process.url, headers=service.headers) as client:
        started = time.perf_counter()
        async with client.post("/v1/classify", json=body) as response:
            await response.read()
        return len(body["items"]) / (time.perf_counter() - started)


async def _latency(service: _Service, seconds: float) -> str:
    ending = asyncio.Event()
    users = [asyncio.create_task(_user(service, ending)) for _ in range(_USERS)]
    await asyncio.sleep(seconds)
    ending.set()
    taken = [one for user in users for one in await user]
    p99 = statistics.quantiles(taken, n=100)[98]
    return f"p50 {1000 * statistics.median(taken):.0f} ms, p99 {1000 * p99:.0f} ms of {len(taken)} requests"


async def _user(service: _Service, ending: asyncio.Event) -> list[float]:
    """Seconds that single items of a person took, who pauses between them."""
    taken = []
    async with aiohttp.ClientSession(headers=service.headers) as client:
        while not ending.is_set():
            await asyncio.sleep(random.uniform(0, 2 * _PAUSE_SECONDS))  # noqa: S311  a pause
            started = time.perf_counter()
            body = {"taxonomy": "unspsc", "items": [{"text": f"claw hammer {random.random()}"}]}  # noqa: S311  a text
            with suppress(aiohttp.ClientError):  # it was killed
                async with client.post(f"{service.process.url}/v1/classify", json=body) as response:
                    await response.read()
                    taken.append(time.perf_counter() - started)
    return taken


async def _job(service: _Service, rows: int, texts: list[str]) -> None:
    started = time.perf_counter()
    job = await _send(service, rows, texts)
    print(f"{rows} rows, {len(texts)} distinct, sent in {time.perf_counter() - started:.1f} s")
    kills = [round(share * rows) for share in _KILLS_AT]
    down = 0.0
    print(f"{_USERS} users beside the job:    {await _latency(service, _BASELINE_SECONDS)}")
    while (state := await _get(service, job))["state"] == "running":
        service.look()
        if kills and state["rows"]["done"] > kills[0]:
            kills.pop(0)
            down -= time.perf_counter()
            service.kill()
            service.start()
            down += time.perf_counter()
            print(
                f"killed at row {state['rows']['done']}, {state['rate']:.0f} rows/s, peak {service.peak} MiB",
                flush=True,
            )
        await asyncio.sleep(0.2)
    seconds = time.perf_counter() - started - down
    print(f"{state['state']}: {state['rows']}, {rows / seconds:.0f} rows/s without the {down:.0f} s of starting again")
    await _check(service, job, rows)
    service.look()
    print(f"peak memory of a process: {service.peak} MiB")


async def _send(service: _Service, rows: int, texts: list[str]) -> str:
    async def content() -> AsyncIterator[bytes]:
        yield b"sku,text\n"
        for start in range(0, rows, _BATCH):
            numbers = range(start, min(start + _BATCH, rows))
            yield "".join(f"{number},{texts[number % len(texts)]}\n" for number in numbers).encode()

    headers = {**service.headers, "Content-Type": "text/csv"}
    async with (
        aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(600)) as client,
        client.post(f"{service.process.url}/v1/jobs?taxonomy=unspsc", data=content()) as response,
    ):
        response.raise_for_status()
        return str((await response.json())["id"])


async def _get(service: _Service, job: str) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(headers=service.headers) as client,
        client.get(f"{service.process.url}/v1/jobs/{job}") as response,
    ):
        return dict(await response.json())


async def _check(service: _Service, job: str, rows: int) -> None:
    """Each row must be there once, in its order, with a code."""
    started, expected = time.perf_counter(), 0
    async with (
        aiohttp.ClientSession(headers=service.headers, timeout=aiohttp.ClientTimeout(600)) as client,
        client.get(f"{service.process.url}/v1/jobs/{job}/results", params={"format": "csv"}) as response,
    ):
        await response.content.readline()
        async for line in response.content:
            sku, _, code, *_ = line.decode().split(",")
            if sku != str(expected) or not code:
                raise SystemExit(f"row {expected} is wrong: {line!r}")
            expected += 1
    print(f"each of {expected} rows once (expected {rows}); results read in {time.perf_counter() - started:.1f} s")
    if expected != rows:
        raise SystemExit(1)


if __name__ == "__main__":
    asyncio.run(main())
