"""Sends streams of rows to a service that is killed meanwhile, and looks what is left of each once it runs again.

python killed_streams.py ROUNDS TOKEN

The settings are those in the environment. Beside each stream, single rows are written. Printed is, as JSON, of how many streams
all rows and of how many none are there, and how many single rows were acknowledged. It fails where a stream was written in part,
where a row lacks that was acknowledged, and where the log of changes does not have just the rows that are there.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from killing import forgotten, kill, start
from streams import NDJSON, in_parts, ndjson

from dataflow_service.app import create_app
from dataflow_service.settings import Settings
from nexus_chassis.postgres import connect_as_owner
from nexus_chassis.settings import load
from nexus_testkit import serving

ROWS = 3000  # three batches
CREATED = 201


@dataclass
class Sent:
    """What was acknowledged."""

    streams: set[int] = field(default_factory=set)
    rows: set[int] = field(default_factory=set)


async def _serve(settings: Settings, announcing: int) -> None:
    async with serving(create_app(settings)) as url:
        os.write(announcing, f"{url}\n".encode())
        await asyncio.Event().wait()


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[str, int]]:
    """A service in a process of its own, which is killed at the end."""
    reading, writing = os.pipe()
    process = start(_serve(settings, writing))
    os.close(writing)
    with os.fdopen(reading) as announced:
        try:
            yield announced.readline().strip(), process
        finally:
            assert kill(process)


async def _stream(client: aiohttp.ClientSession, number: int, sent: Sent) -> None:
    body = ndjson({"name": f"Row {row}", "supplier": f"stream {number}"} for row in range(ROWS))
    async with client.post("/v1/product/bulk", data=in_parts(body, 65536), headers=NDJSON) as response:
        assert (response.status, await response.json()) == (CREATED, {"created": ROWS})
    sent.streams.add(number)


async def _single_rows(client: aiohttp.ClientSession, sent: Sent) -> None:
    while True:
        async with client.post("/v1/product", json={"name": "single"}) as response:
            row = await response.json()
        assert response.status == CREATED, row
        sent.rows.add(row["id"])


async def _kill_meanwhile(client: aiohttp.ClientSession, process: int, number: int, seconds: float, sent: Sent) -> None:
    """Send a stream and single rows, and kill the service after a time."""
    tasks = [asyncio.create_task(_stream(client, number, sent)), asyncio.create_task(_single_rows(client, sent))]
    await asyncio.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    for task in tasks:
        with suppress(aiohttp.ClientError):
            await task


async def _seconds(client: aiohttp.ClientSession, sent: Sent) -> float:
    """Return how long a stream takes which nothing disturbs, but single rows."""
    beside = asyncio.create_task(_single_rows(client, sent))
    started = time.perf_counter()
    await _stream(client, 0, sent)
    beside.cancel()
    return time.perf_counter() - started


async def _found(client: aiohttp.ClientSession, number: int, sent: Sent) -> int:
    """Return how many rows of a stream the service has, which are all or none, and all of one that was acknowledged."""
    wanted = {"filter": json.dumps({"supplier": f"stream {number}"})}
    async with client.get("/v1/product/count", params=wanted) as response:
        found = int((await response.json())["count"])
    assert found in ({ROWS} if number in sent.streams else {0, ROWS}), f"{found} rows of stream {number}"
    return found


async def _check_log(settings: Settings, sent: Sent) -> int:
    """Check that the log has each row that is there once, as it is, and nothing else; return how many single rows there are."""
    async with connect_as_owner(settings) as connection:
        await connection.execute("SET app.tenant = 'default'")
        assert await connection.fetch(_DIFFERENCES) == []
        assert await connection.fetchval("SELECT count(*) FROM changes") == await connection.fetchval(_ROWS)
        assert await connection.fetchval("SELECT sum(1) FROM change_sets WHERE operation <> 'create'") is None
        assert await connection.fetch(_EMPTY_SETS) == []
        singles = {row_id for (row_id,) in await connection.fetch("SELECT id FROM products WHERE supplier IS NULL")}
    assert sent.rows <= singles
    return len(singles)


_ROWS = "SELECT count(*) FROM products"
_DIFFERENCES = """
SELECT products.id, row_id FROM products FULL JOIN changes ON row_id = products.id::text
 WHERE products.id IS NULL OR row_id IS NULL OR row <> to_jsonb(products) - '{row_version,tenant_id}'::text[] LIMIT 5
"""
_EMPTY_SETS = "SELECT id FROM change_sets WHERE NOT EXISTS (SELECT FROM changes WHERE set_id = change_sets.id) LIMIT 5"


def _use[T](url: str, token: str, work: Callable[[aiohttp.ClientSession], Awaitable[T]]) -> T:
    async def run() -> T:
        async with aiohttp.ClientSession(url, headers={"Authorization": f"Bearer {token}"}) as client:
            return await work(client)

    return asyncio.run(run())


def main(rounds: int, token: str) -> None:
    """Kill a service as often, each time in another moment of a stream; the next one says what there is of it."""
    settings, sent = load(Settings), Sent()
    chance = random.Random(rounds)  # noqa: S311 - moments, no secrets
    with _service(settings) as (url, _):
        longest = _use(url, token, lambda client: _seconds(client, sent))
    outcomes = Counter({ROWS: -1})  # that one is no round
    for number in range(1, rounds + 1):
        moment = chance.uniform(0, 1.2 * longest)
        asyncio.run(forgotten(settings))
        with _service(settings) as (url, process):
            outcomes[_use(url, token, partial(_found, number=number - 1, sent=sent))] += 1
            work = partial(_kill_meanwhile, process=process, number=number, seconds=moment, sent=sent)
            _use(url, token, work)
        # Until as many streams end before their service as are killed with it.
        longest *= 0.9 if number in sent.streams else 1.1
    asyncio.run(forgotten(settings))
    with _service(settings) as (url, _):
        outcomes[_use(url, token, partial(_found, number=rounds, sent=sent))] += 1
    asyncio.run(forgotten(settings))
    singles = asyncio.run(_check_log(settings, sent))
    sys.stdout.write(json.dumps({"all": outcomes[ROWS], "none": outcomes[0], "single rows": singles}))


main(int(sys.argv[1]), sys.argv[2])
