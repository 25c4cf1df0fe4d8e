"""Rows per second of bulk: the service beside plain asyncpg, and the memory that a million rows take.

    NEXUS_TEST_POSTGRES_URL=postgresql://... NEXUS_TEST_REDIS_URL=redis://... python benchmarks/bulk.py [SIZE ...]

The same rows are written to the same table: by the service from NDJSON and from CSV, over HTTP, with the log of changes and
its relay; and by asyncpg from Python values, by one INSERT from arrays (unnest) and by COPY, without a log. Rounds take
turns; the table is emptied before each. asyncpg is given what the service has yet to read and to check.

The framework's own bulk node writes as many rows once, in several sizes of bulk: what it takes for each row grows with them.

Then a million rows are sent to the service in one request, in whose time /livez is asked again and again.
"""

import asyncio
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
from servers import Service, database, service

ROWS = 20_000
ROUNDS = 5
OF_FRAMEWORK = (2500, 10_000, 25_000)
"""Sizes of bulk: the largest takes the framework's node about a minute."""

MANY = 1_000_000
COLUMNS = ("name", "description", "sku", "supplier")
INSERT = """
INSERT INTO products (name, description, sku, supplier)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
"""
NDJSON, CSV = "application/x-ndjson", "text/csv"

type Values = tuple[str, str, str, str]


def rows(number: int) -> Iterator[Values]:
    """Rows of about 100 bytes."""
    for row in range(number):
        yield f"Hexagon bolt M8 x {row}", "Steel, zinc plated, ISO 4017", f"B-{row}", f"Norm & Co {row % 100}"


def ndjson(values: Iterator[Values]) -> bytes:
    """Rows as lines of JSON."""
    return b"".join([json.dumps(dict(zip(COLUMNS, row, strict=True))).encode() + b"\n" for row in values])


def csv(values: Iterator[Values]) -> bytes:
    """Rows as CSV."""
    lines = [",".join(COLUMNS), *('"{}","{}","{}","{}"'.format(*row) for row in values)]
    return "\n".join(lines).encode()


def post(service: Service, media_type: str, body: bytes) -> None:
    """Send rows."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=600)
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": media_type}
    connection.request("POST", "/v1/product/bulk", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != http.client.CREATED:
        raise SystemExit(f"The answer is {answer.status}: {content!r}.")
    connection.close()


async def insert(connection: asyncpg.Connection, values: list[Values]) -> None:
    """Write rows by one statement."""
    await connection.execute(INSERT, *map(list, zip(*values, strict=True)))


async def copy(connection: asyncpg.Connection, values: list[Values]) -> None:
    """Write rows by COPY."""
    await connection.copy_records_to_table("products", records=values, columns=COLUMNS)


async def compare(service: Service, postgres_url: str) -> None:
    """Print rows per second of each way."""
    values = list(rows(ROWS))
    lines, records = ndjson(iter(values)), csv(iter(values))
    connection = await asyncpg.connect(postgres_url)
    ways: dict[str, Callable[[], Awaitable[None]]] = {
        "service, NDJSON": lambda: asyncio.to_thread(post, service, NDJSON, lines),
        "service, CSV": lambda: asyncio.to_thread(post, service, CSV, records),
        "asyncpg, unnest": lambda: insert(connection, values),
        "asyncpg, COPY": lambda: copy(connection, values),
    }
    rounds = [{name: await seconds(connection, way) for name, way in ways.items()} for _ in range(ROUNDS + 1)][1:]
    for name in ways:
        figures = sorted(ROWS / figure[name] for figure in rounds)
        print(
            f"{name:<16} {figures[ROUNDS // 2]:8.0f} rows/s (rounds: {' '.join(f'{figure:.0f}' for figure in figures)})"
        )
    await connection.execute("TRUNCATE products, changes, change_sets CASCADE")
    await connection.close()


async def seconds(connection: asyncpg.Connection, way: Callable[[], Awaitable[None]]) -> float:
    """Time of one round."""
    await connection.execute("TRUNCATE products, changes, change_sets CASCADE")
    started = time.perf_counter()
    await way()
    return time.perf_counter() - started


async def compare_framework(service: Service, postgres_url: str, sizes: Sequence[int]) -> None:
    """Print for each size of bulk the rows per second of the service and of the framework's own bulk node, and their ratio."""
    connection = await asyncpg.connect(postgres_url)
    print(f"{'rows of a bulk':>14} {'service, rows/s':>16} {'framework, rows/s':>18} {'times as many':>14}")
    for size in sizes:
        send = partial(asyncio.to_thread, post, service, NDJSON, ndjson(rows(size)))
        figures = sorted([await seconds(connection, send) for _ in range(ROUNDS)])
        own, theirs = size / figures[ROUNDS // 2], size / await framework_seconds(connection, postgres_url, size)
        print(f"{size:>14} {own:>16.0f} {theirs:>18.0f} {own / theirs:>14.0f}", flush=True)
    await connection.execute("TRUNCATE products, changes, change_sets CASCADE")
    await connection.close()


async def framework_seconds(connection: asyncpg.Connection, postgres_url: str, size: int) -> float:
    """Time that the framework's own bulk node takes, in a process of its own."""
    await connection.execute("TRUNCATE products CASCADE")
    command = [sys.executable, str(Path(__file__).with_name("framework_bulk.py")), postgres_url, str(size)]
    output = await asyncio.to_thread(subprocess.check_output, command)
    if await connection.fetchval("SELECT count(*) FROM products") != size + 1:
        raise SystemExit("The framework's node did not write the rows.")
    return float(output.split()[-1])


def memory(pid: int, name: str) -> int:
    """Memory of a process in bytes: VmRSS, or VmHWM for the largest it has had."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.partition(f"{name}:")[2].split()[0]) * 1024


def send_many(service: Service, before: int) -> None:
    """Print what a million rows take; `before` is the memory of the service before it has had any."""
    body = ndjson(rows(MANY))
    ended = threading.Event()
    latencies: list[float] = []
    asking = threading.Thread(target=ask, args=(service.url, ended, latencies))
    asking.start()
    started = time.perf_counter()
    post(service, NDJSON, body)
    took = time.perf_counter() - started
    ended.set()
    asking.join()
    growth = (memory(service.worker, "VmHWM") - before) / 2**20
    print(f"{MANY} rows: {MANY / took:.0f} rows/s, {growth:.1f} MiB more memory (<= 64)")
    print(f"/livez meanwhile: at most {max(latencies) * 1000:.0f} ms")


def ask(url: str, ended: threading.Event, latencies: list[float]) -> None:
    """Ask /livez until an event, and note how long each answer takes."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    while not ended.wait(0.02):
        started = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        latencies.append(time.perf_counter() - started)


def main() -> None:
    """Print all figures, or with sizes of bulk as arguments those beside the framework's node."""
    sizes = list(map(int, sys.argv[1:]))
    with database() as postgres_url, service(postgres_url) as running:
        before = memory(running.worker, "VmRSS")
        if not sizes:
            asyncio.run(compare(running, postgres_url))
        asyncio.run(compare_framework(running, postgres_url, sizes or OF_FRAMEWORK))
        if not sizes:
            send_many(running, before)


if __name__ == "__main__":
    main()
