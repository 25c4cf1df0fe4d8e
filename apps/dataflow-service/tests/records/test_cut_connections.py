"""Connections to PostgreSQL that are cut under load: defined answers, no acknowledged write lost, well again soon."""

import asyncio
import sys
import time
from collections import Counter

import aiohttp
import asyncpg

from nexus_testkit.tcp_proxy import TcpProxy

ROUNDS = 4
CLIENTS = 12
WELL_SECONDS = 5
DEFINED = {200, 201, 503}


class _Load:
    """Clients that write and read all the time, and what they were answered."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self._client = client
        self.over = asyncio.Event()
        self.acknowledged: dict[int, str] = {}
        self.statuses: Counter[int] = Counter()
        self.last_refusal = 0.0

    async def run(self, number: int) -> None:
        """Create a row, read it, and write many rows, until it is over."""
        count = 0
        while not self.over.is_set():
            count += 1
            name = f"{number}-{count}"
            created = await self._answer("POST", "/v1/product", {"name": name})
            if created is not None:
                self.acknowledged[created["id"]] = name
                read = await self._answer("GET", f"/v1/product/{created['id']}", None)
                assert read is None or read == created
            many = await self._answer("POST", "/v1/product/bulk", [{"name": name}] * 20)
            if many is not None:
                self.acknowledged |= dict.fromkeys(many["ids"], name)

    async def _answer(self, method: str, path: str, body: object) -> dict | None:
        async with self._client.request(method, path, json=body) as response:
            content = await response.json(content_type=None)
        self.statuses[response.status] += 1
        assert response.status in DEFINED, content
        if response.status == 503:
            self.last_refusal = time.monotonic()
            assert content["type"] == "urn:nexus:problem:database-unavailable"
            return None
        return content


async def test_connections_that_are_cut_under_load_lose_no_acknowledged_write(
    client: aiohttp.ClientSession, database: asyncpg.Connection, postgres_proxy: TcpProxy
) -> None:
    await database.execute("TRUNCATE changes, change_sets")
    load, waits = _Load(client), []
    async with asyncio.TaskGroup() as group:
        for number in range(CLIENTS):
            group.create_task(load.run(number))
        for _ in range(ROUNDS):
            await asyncio.sleep(0.3)
            await postgres_proxy.cut()
            await asyncio.sleep(0.2)
            await postgres_proxy.start()
            restored = time.monotonic()
            await asyncio.sleep(0.5)
            waits.append(load.last_refusal - restored)
        load.over.set()
    stored = dict(await database.fetch("SELECT id, name FROM products"))
    assert load.acknowledged.items() <= stored.items()
    logged = [int(row_id) for (row_id,) in await database.fetch("SELECT row_id FROM changes ORDER BY id")]
    assert sorted(logged) == sorted(stored)
    assert set(load.statuses) == DEFINED
    assert max(waits) < WELL_SECONDS
    sys.stdout.write(
        f"\nwell again {max(*waits, 0):.2f} s after connections were cut; answers: {dict(load.statuses)}\n"
    )
