"""PostgreSQL never has more connections of a service than are configured, whatever its clients do at once."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings

from dataflow_service.app import create_app
from nexus_testkit import Issuer, serving

CLIENTS = 200
POOL = 5
BESIDE = 4
"""A connection of the health check, one of the relay, one to read migrations and one to apply them."""

NDJSON = {"Content-Type": "application/x-ndjson"}
ROWS = b"".join(json.dumps({"name": f"Row {number}"}).encode() + b"\n" for number in range(50))
OPERATIONS = {"operations": [{"node": "ProductCreateNode", "parameters": {"name": "of a transaction"}}] * 3}
DEFINED = {200, 201, 409, 429, 503}
ADMINISTRATORS = 20
OTHER_PLAN = {"checksum": "0" * 64}


@pytest.fixture
async def small(
    make_settings: MakeSettings, database: asyncpg.Connection, issuer: Issuer
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with a small pool."""
    token = issuer.mint("dataflow-service", {"data:read", "data:write", "data:admin"})
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(limit=0)
    app = create_app(make_settings(postgres_pool_size=POOL))
    async with serving(app) as url, aiohttp.ClientSession(url, headers=headers, connector=connector) as client:
        await database.execute("TRUNCATE products RESTART IDENTITY CASCADE")
        yield client


async def _work(client: aiohttp.ClientSession, statuses: Counter[int]) -> None:
    """Do everything once, in an order of its own."""
    calls = [
        ("POST", "/v1/product/bulk", {"data": ROWS, "headers": NDJSON}),
        ("POST", "/v1/product", {"json": {"name": "single"}}),
        ("POST", "/v1/transactions", {"json": OPERATIONS}),
        ("GET", "/v1/product", {"params": {"limit": 20}}),
        ("GET", "/v1/changes", {"params": {"limit": 20}}),
        ("GET", "/health", {}),
    ]
    for method, path, options in random.sample(calls, len(calls)):
        async with client.request(method, path, **options) as response:  # type: ignore[arg-type] # differs by call
            await response.read()
            statuses[response.status] += 1


async def _administer(client: aiohttp.ClientSession, statuses: Counter[int]) -> None:
    """Read migrations, and try to apply one."""
    async with client.get("/v1/migrations") as response:
        statuses[response.status] += 1
    async with client.post("/v1/migrations/apply", json=OTHER_PLAN) as response:
        statuses[response.status] += 1


async def _most(database: asyncpg.Connection, until: asyncio.Future[object]) -> int:
    """The largest number of connections beside the test's own."""
    most = 0
    while not until.done():
        most = max(most, await database.fetchval(CONNECTIONS))
        await asyncio.sleep(0.002)
    return most


CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"


async def test_200_clients_at_once_open_no_more_connections_than_are_configured(
    small: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    statuses: Counter[int] = Counter()
    working = asyncio.gather(
        *(_work(small, statuses) for _ in range(CLIENTS)),
        *(_administer(small, statuses) for _ in range(ADMINISTRATORS)),
    )
    most = await _most(database, working)
    await working
    assert statuses.keys() <= DEFINED
    assert statuses[200] + statuses[201] > statuses.total() / 2
    assert POOL <= most <= POOL + BESIDE
    sys.stdout.write(
        f"\nconnections of {CLIENTS} clients: at most {most} (<= {POOL} + {BESIDE}); answers: {dict(statuses)}\n"
    )


async def test_clients_that_leave_open_no_more_connections_than_are_configured(
    small: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async def leave(seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await _work(small, Counter())

    working = asyncio.gather(*(leave(0.3 + number / 100) for number in range(CLIENTS)))
    most = await _most(database, working)
    await working
    assert POOL <= most <= POOL + BESIDE
    async with small.get("/health") as response:
        assert response.status == 200
