"""The largest requests that are permitted, many at once, stay below half of the memory limit of the container."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from answers import JSON

from nexus_testkit import Issuer, ServiceProcess

MIB = 1024 * 1024
HALF_OF_THE_LIMIT = 256 * MIB  # mem_limit of dataflow-service is 512m
AT_ONCE = 32
SHED = {429, 503}  # what waits too long for the others on a slow machine

UNKNOWN_FIELDS = b"[" + b",".join([b'{"k%d":1}' % number for number in range(200_000)]) + b"]"
UNKNOWN_FIELDS_OF_ONE_ROW = b"{" + b",".join([b'"k%d":1' % number for number in range(20_000)]) + b"}"
LONG_TEXTS = json.dumps([{"name": "x", "description": "\U0001f529" * 16000, "attributes": {}}] * 60, ensure_ascii=False)
SMALL_VALUES = b"[" + b",".join([b'{"name":"x","attributes":{"a":[%s]}}' % b",".join([b"{}"] * 40)] * 1000) + b"]"
ONE_ROW = b'{"name":"x","attributes":{"a":[%s]}}' % b",".join([b"[]"] * 21_000)
TOO_MANY_ROWS = b"[" + b",".join([b"{}"] * 49_000) + b"]"
LARGEST_BODIES = [
    ("/v1/product/bulk", UNKNOWN_FIELDS, 422),
    ("/v1/product", UNKNOWN_FIELDS_OF_ONE_ROW, 422),
    ("/v1/product/bulk", TOO_MANY_ROWS, 413),
    ("/v1/product/bulk", SMALL_VALUES, 201),
    ("/v1/product", ONE_ROW, 201),
    ("/v1/product/bulk", LONG_TEXTS.encode(), 201),
]


@pytest.fixture
async def process(environment: dict[str, str], database: asyncpg.Connection) -> AsyncIterator[ServiceProcess]:
    """The service as it runs in production, with no rows."""
    running = ServiceProcess(["-m", "dataflow_service"], environment)
    await asyncio.to_thread(running.wait_until_it_answers)
    await database.execute("TRUNCATE products RESTART IDENTITY CASCADE")
    yield running
    status, _, _ = await asyncio.to_thread(running.stop)
    assert status == 0


def _peak(process: ServiceProcess) -> int:
    """The largest memory that the worker process has had, in bytes."""
    pid = process.process.pid
    (worker,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    status = Path(f"/proc/{worker}/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.fixture
async def clients(process: ServiceProcess, issuer: Issuer) -> AsyncIterator[list[aiohttp.ClientSession]]:
    """Clients of four principals, because one alone gets half of what there is for bodies."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                aiohttp.ClientSession(process.url, headers=_headers(issuer, f"user-{number}"))
            )
            for number in range(4)
        ]


def _headers(issuer: Issuer, subject: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.mint('dataflow-service', {'data:read', 'data:write'}, subject=subject)}"}


async def _answers(clients: list[aiohttp.ClientSession], method: str, path: str, body: bytes | None) -> set[int]:
    async def request(number: int) -> int:
        client = clients[number % len(clients)]
        async with client.request(method, path, data=body, headers=JSON if body else {}) as response:
            await response.read()
            return response.status

    return set(await asyncio.gather(*(request(number) for number in range(AT_ONCE))))


@pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")
async def test_the_largest_requests_at_once_stay_below_half_of_the_memory_limit(
    process: ServiceProcess, clients: list[aiohttp.ClientSession]
) -> None:
    for path, body, status in LARGEST_BODIES:
        statuses = await _answers(clients, "POST", path, body)
        assert {status} <= statuses <= {status} | SHED, body[:80]
    assert {200} <= await _answers(clients, "GET", "/v1/product?limit=1000", None) <= {200} | SHED
    assert _peak(process) < HALF_OF_THE_LIMIT
