"""CPU of operations on one row, and of a list: the service beside handlers written by hand with FastAPI and asyncpg.

All run on uvloop and httptools, and work on the same table of the same PostgreSQL. Another process sends the requests.
Printed is the CPU time of the serving processes (user and system, from /proc) per request.

    NEXUS_TEST_POSTGRES_URL=postgresql://... NEXUS_TEST_REDIS_URL=redis://... python benchmarks/operations.py

The handlers check bodies by a pydantic model. They check no token, no scope and no query, log no change, count nothing and have
no limits: the ratio is what those cost. asyncpg's pool resets each connection after its use, by another round trip. The service's
connections keep no session state and need none; the second ratio is to handlers whose pool does not reset either.

PostgREST is not beside them: neither Debian nor PyPI nor npm has it as a package, only clients of it.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, StringConstraints
from servers import cpu_seconds, database, process, service

from nexus_testkit.process import free_port

CONNECTIONS = 16
ROUNDS = 3
LISTED = 100
MANY, MANY_AS_TEXTS = "list of 1000", "list of 1000 with numbers=string"
SERVICE = "dataflow-service"
HANDWRITTEN: dict[str, list[str]] = {"handwritten": [], "handwritten, no reset": ["--no-reset"]}
ROW = {
    "name": "Hexagon bolt M8 x 40",
    "sku": "B-840",
    "supplier": "Norm & Co",
    "attributes": {"thread": "M8", "mm": 40},
}
COLUMNS = "id, name, description, sku, supplier, unspsc_code, etim_class, attributes, created_at, updated_at"
WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"
READ = f"SELECT {COLUMNS} FROM products WHERE id = $1"  # noqa: S608 - names of this file
LIST = f"SELECT {COLUMNS} FROM products ORDER BY id LIMIT $1"  # noqa: S608 - names of this file
CREATE = f"INSERT INTO products ({WRITTEN}) VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {COLUMNS}"  # noqa: S608 - names of this file
UPDATE = f"UPDATE products SET supplier = $2, updated_at = now() WHERE id = $1 RETURNING {COLUMNS}"  # noqa: S608 - names of this file
DELETE = "DELETE FROM products WHERE id = $1 RETURNING id"
FILL = """
TRUNCATE products, changes, change_sets RESTART IDENTITY CASCADE;
INSERT INTO products (name, supplier, attributes)
SELECT 'Hexagon bolt M8 x ' || n, 'Norm & Co', '{"thread": "M8", "mm": 40}' FROM generate_series(1, 3000) AS n
"""


class Operation(NamedTuple):
    """What is asked for: `{row}` in its path stands for the id of a row, each time another one."""

    method: str
    path: str
    status: int
    body: str = ""
    fields: str = ""
    requests: int = 1000


OPERATIONS = {
    "create": Operation("POST", "/v1/product", 201, json.dumps({**ROW, "sku": None})),
    "read": Operation("GET", "/v1/product/{row}", 200),
    "update": Operation("PATCH", "/v1/product/{row}", 200, '{"supplier":"Norm & Sons"}'),
    "delete": Operation("DELETE", "/v1/product/{row}", 204),
    "list of 100": Operation("GET", f"/v1/product?limit={LISTED}", 200, requests=250),
    MANY: Operation("GET", "/v1/product?limit=1000", 200, requests=100),
    MANY_AS_TEXTS: Operation("GET", "/v1/product?limit=1000", 200, fields="Prefer: numbers=string\r\n", requests=100),
}


class Supplied(BaseModel):
    """What may be changed."""

    supplier: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


class Product(Supplied):
    """What is sent of a row."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    description: str | None = None
    sku: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    unspsc_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{8}$")] | None = None
    etim_class: Annotated[str, StringConstraints(pattern=r"^EC[0-9]{6}$")] | None = None
    attributes: dict[str, Any] = {}


async def _keep(_: asyncpg.Connection) -> None:
    """Reset nothing."""


def _row(record: asyncpg.Record | None) -> dict[str, Any]:
    if record is None:
        raise HTTPException(404)
    return {**record, "attributes": json.loads(record["attributes"])}


def handwritten(*, reset: bool) -> FastAPI:
    """The handlers to compare with; `reset`: their pool resets connections, as asyncpg's does by default."""
    pool: asyncpg.Pool

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal pool
        url = os.environ["BENCHMARK_POSTGRES_URL"]
        async with asyncpg.create_pool(url, max_size=10, reset=None if reset else _keep) as pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/v1/product", status_code=201)
    async def create(product: Product) -> dict[str, Any]:
        texts = (product.name, product.description, product.sku, product.supplier, product.unspsc_code)
        return _row(await pool.fetchrow(CREATE, *texts, product.etim_class, json.dumps(product.attributes)))

    @app.get("/v1/product")
    async def read_page(limit: int) -> dict[str, Any]:
        return {"items": [_row(record) for record in await pool.fetch(LIST, limit)]}

    @app.get("/v1/product/{row_id}")
    async def read(row_id: int) -> dict[str, Any]:
        return _row(await pool.fetchrow(READ, row_id))

    @app.patch("/v1/product/{row_id}")
    async def update(row_id: int, changed: Supplied) -> dict[str, Any]:
        return _row(await pool.fetchrow(UPDATE, row_id, changed.supplier))

    @app.delete("/v1/product/{row_id}", status_code=204)
    async def delete(row_id: int) -> None:
        if await pool.fetchval(DELETE, row_id) is None:
            raise HTTPException(404)

    return app


async def drive(url: str, operation: Operation, token: str) -> None:
    """Send the requests over `CONNECTIONS` connections, each after the answer to the one before."""
    rows = iter(range(1, operation.requests + 1))
    await asyncio.gather(*(_drive_connection(url, operation, token, rows) for _ in range(CONNECTIONS)))


async def _drive_connection(url: str, operation: Operation, token: str, rows: Iterator[int]) -> None:
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    fields = f"Host: {target.netloc}\r\nAuthorization: Bearer {token}\r\n{operation.fields}"
    if operation.body:
        fields += f"Content-Type: application/json\r\nContent-Length: {len(operation.body)}\r\n"
    for row in rows:
        path = operation.path.format(row=row)
        writer.write(f"{operation.method} {path} HTTP/1.1\r\n{fields}\r\n{operation.body}".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 %d " % operation.status):
            raise SystemExit(f"The answer is {answer!r}.")
        if operation.status != 204:  # noqa: PLR2004 - an answer without a body
            lines = dict(line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:-2])
            await reader.readexactly(int(lines[b"content-length"]))
    writer.close()


def microseconds_per_request(pid: int, url: str, name: str, token: str) -> float:
    """CPU time per request of a server, over one round."""
    before = cpu_seconds(pid)
    subprocess.run([sys.executable, __file__, "drive", url, name, token], check=True)  # noqa: S603 - this file
    return (cpu_seconds(pid) - before) / OPERATIONS[name].requests * 1e6


async def fill(postgres_url: str) -> None:
    """Make rows anew, whose ids start at 1."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(FILL)
    await connection.close()


def measure(names: list[str]) -> None:
    """Print the CPU time of each operation by each server, and the ratios."""
    with database() as postgres_url, ExitStack() as stack:
        running = stack.enter_context(service(postgres_url))
        asyncio.run(fill(postgres_url))
        servers = {SERVICE: (running.pid, running.url)}
        for name, options in HANDWRITTEN.items():
            servers[name] = stack.enter_context(_handwritten_process(options, postgres_url))
        costs = {name: _report(name, servers, postgres_url, running.token) for name in names}
    if costs.keys() >= {MANY, MANY_AS_TEXTS}:
        print(f"{MANY_AS_TEXTS}: ratio to the plain list {costs[MANY_AS_TEXTS] / costs[MANY]:.2f}")


@contextmanager
def _handwritten_process(options: list[str], postgres_url: str) -> Iterator[tuple[int, str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"BENCHMARK_POSTGRES_URL": postgres_url}
    with process([__file__, "serve", str(port), *options], environment, f"{url}/v1/product/1") as pid:
        yield pid, url


def _report(name: str, servers: dict[str, tuple[int, str]], postgres_url: str, token: str) -> float:
    """Print what an operation costs each server; returns what it costs the service."""
    rounds: list[dict[str, float]] = []
    for _ in range(ROUNDS + 1):
        rounds.append({})
        for server, (pid, url) in servers.items():
            asyncio.run(fill(postgres_url))
            rounds[-1][server] = microseconds_per_request(pid, url, name, token)
    del rounds[0]  # it warms up
    medians = {server: sorted(figures[server] for figures in rounds)[ROUNDS // 2] for server in servers}
    for server, median in medians.items():
        all_rounds = " ".join(f"{figures[server]:.0f}" for figures in rounds)
        print(f"{name}: {server:<24} {median:5.0f} us of CPU (rounds: {all_rounds})")
    for server in HANDWRITTEN:
        print(f"{name}: ratio to {server} {medians[SERVICE] / medians[server]:.2f}")
    return medians[SERVICE]


def main() -> None:
    """Run one of the three processes; without arguments, the one that measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    server = commands.add_parser("serve")
    server.add_argument("port", type=int)
    server.add_argument("--no-reset", action="store_true")
    driver = commands.add_parser("drive")
    driver.add_argument("url")
    driver.add_argument("operation")
    driver.add_argument("token")
    chosen = commands.add_parser("measure")
    chosen.add_argument("operations", nargs="+", choices=OPERATIONS)
    arguments = parser.parse_args()
    match arguments.command:
        case "serve":
            app = handwritten(reset=not arguments.no_reset)
            uvicorn.run(app, port=arguments.port, loop="uvloop", http="httptools", log_level="warning")
        case "drive":
            asyncio.run(drive(arguments.url, OPERATIONS[arguments.operation], arguments.token))
        case "measure":
            measure(arguments.operations)
        case _:
            measure(list(OPERATIONS))


if __name__ == "__main__":
    main()
