"""CPU of one row read: the service beside a handler written by hand with FastAPI and asyncpg.

Both run on uvloop and httptools and read the same row of the same PostgreSQL by its id. A third process sends the
requests. Printed is the CPU time of the serving processes (user and system, from /proc) per request.

    NEXUS_TEST_POSTGRES_URL=postgresql://... NEXUS_TEST_REDIS_URL=redis://... python benchmarks/row_read.py

The handler checks no token, no scope and no query, counts nothing and has no limits: the ratio is what those cost.
asyncpg's pool resets each connection after its use, by another round trip. The service's connections keep no session
state and need none; the last line compares with a handler whose pool does not reset either.
"""

import argparse
import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import uvicorn
from fastapi import FastAPI, HTTPException, Request

from nexus_testkit.issuer import running_issuer
from nexus_testkit.process import free_port

REQUESTS = 4000
CONNECTIONS = 16
ROUNDS = 5
SERVICE = "dataflow-service"
HANDWRITTEN: dict[str, list[str]] = {"handwritten": [], "handwritten, no reset": ["--no-reset"]}
ROW = {
    "name": "Hexagon bolt M8 x 40",
    "sku": "B-840",
    "supplier": "Norm & Co",
    "attributes": {"thread": "M8", "mm": 40},
}
READ = """
SELECT id, name, description, sku, supplier, unspsc_code, etim_class, attributes, created_at, updated_at
FROM products WHERE id = $1
"""


async def _keep(_: asyncpg.Connection) -> None:
    """Reset nothing."""


def handwritten(*, reset: bool) -> FastAPI:
    """The handler to compare with; `reset`: its pool resets connections, as asyncpg's does by default."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        url = os.environ["BENCHMARK_POSTGRES_URL"]
        async with asyncpg.create_pool(url, max_size=10, reset=None if reset else _keep) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/v1/product/{row_id}")
    async def read(request: Request, row_id: int) -> dict[str, Any]:
        record = await request.app.state.pool.fetchrow(READ, row_id)
        if record is None:
            raise HTTPException(404)
        return {**record, "attributes": json.loads(record["attributes"])}

    return app


async def drive(url: str, requests: int, token: str) -> None:
    """Send `requests` requests over `CONNECTIONS` connections, each after the answer to the one before."""
    await asyncio.gather(*(_drive_connection(url, requests // CONNECTIONS, token) for _ in range(CONNECTIONS)))


async def _drive_connection(url: str, requests: int, token: str) -> None:
    target = urlsplit(url)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    head = f"GET {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    for _ in range(requests):
        writer.write(head)
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise SystemExit(f"The answer is {answer!r}.")
        fields = dict(line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:-2])
        await reader.readexactly(int(fields[b"content-length"]))
    writer.close()


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its living children."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return own + sum(cpu_seconds(int(child)) for child in children)


def microseconds_per_request(pid: int, url: str, token: str) -> float:
    """CPU time per request of the process, over one round."""
    before = cpu_seconds(pid)
    subprocess.run([sys.executable, __file__, "drive", url, str(REQUESTS), token], check=True)  # noqa: S603 - this file
    return (cpu_seconds(pid) - before) / REQUESTS * 1e6


@contextmanager
def process(arguments: list[str], environment: dict[str, str], url: str) -> Iterator[int]:
    """A server in a process of its own, once `url` answers; yields its process id."""
    server = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **environment})  # noqa: S603 - own files
    try:
        while server.poll() is None and not _answers(url):
            time.sleep(0.1)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - of 127.0.0.1
            return True
    except OSError:
        return False


@contextmanager
def database() -> Iterator[str]:
    """URL of a new database, which is dropped afterwards."""
    server, name = os.environ["NEXUS_TEST_POSTGRES_URL"], f"benchmark_{secrets.token_hex(4)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name}"))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def service_environment(postgres_url: str, issuer: str, port: int, folder: Path) -> dict[str, str]:
    """Environment of the service."""
    url = urlsplit(postgres_url)
    (folder / "password").write_text(str(url.password))
    return {
        "NEXUS_POSTGRES_URL": url._replace(netloc=f"{url.username}@{url.hostname}:{url.port or 5432}").geturl(),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(folder / "password"),
        "NEXUS_REDIS_URL": os.environ["NEXUS_TEST_REDIS_URL"],
        "NEXUS_REDIS_PASSWORD_FILE": str(folder / "password"),
        "NEXUS_ISSUER": issuer,
        "NEXUS_JWKS_URL": f"{issuer}/.well-known/jwks.json",
        "NEXUS_REVOCATIONS_URL": f"{issuer}/no-session-has-ended",
        "NEXUS_LOG_LEVEL": "error",
        "NEXUS_DRAIN_SECONDS": "0",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "NEXUS_ADMIN_PORT": str(free_port()),
    }


def measure() -> None:
    """Print the CPU time of each and the ratios."""
    with database() as postgres_url, running_issuer() as issuer, ExitStack() as stack:
        token = issuer.mint("dataflow-service", {"data:read", "data:write"}, lifetime=3600)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = free_port()
        environment = service_environment(postgres_url, issuer.url, port, folder)
        url = f"http://127.0.0.1:{port}"
        pid = stack.enter_context(process(["-m", "dataflow_service"], environment, f"{url}/readyz"))
        _create_row(url, token)
        servers = {SERVICE: (pid, f"{url}/v1/product/1")}
        for name, options in HANDWRITTEN.items():
            servers[name] = stack.enter_context(_handwritten_process(options, postgres_url))
        _report(servers, token)


@contextmanager
def _handwritten_process(options: list[str], postgres_url: str) -> Iterator[tuple[int, str]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/product/1"
    with process([__file__, "serve", str(port), *options], {"BENCHMARK_POSTGRES_URL": postgres_url}, url) as pid:
        yield pid, url


def _create_row(url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/product", json.dumps(ROW).encode(), headers)  # noqa: S310 - of 127.0.0.1
    urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 - of 127.0.0.1


def _report(servers: dict[str, tuple[int, str]], token: str) -> None:
    rounds = [
        {name: microseconds_per_request(pid, url, token) for name, (pid, url) in servers.items()}
        for _ in range(ROUNDS + 1)
    ][1:]  # the first one warms up
    medians = {name: sorted(figures[name] for figures in rounds)[ROUNDS // 2] for name in servers}
    for name, median in medians.items():
        all_rounds = " ".join(f"{figures[name]:.0f}" for figures in rounds)
        print(f"{name:<24} {median:5.0f} us of CPU per row read (rounds: {all_rounds})")
    for name in HANDWRITTEN:
        print(f"ratio to {name:<24} {medians[SERVICE] / medians[name]:5.2f}")


def main() -> None:
    """Run one of the three processes; without arguments, the one that measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command")
    server = commands.add_parser("serve")
    server.add_argument("port", type=int)
    server.add_argument("--no-reset", action="store_true")
    driver = commands.add_parser("drive")
    driver.add_argument("url")
    driver.add_argument("requests", type=int)
    driver.add_argument("token")
    arguments = parser.parse_args()
    if arguments.command == "serve":
        app = handwritten(reset=not arguments.no_reset)
        uvicorn.run(app, port=arguments.port, loop="uvloop", http="httptools", log_level="warning")
    elif arguments.command == "drive":
        asyncio.run(drive(arguments.url, arguments.requests, arguments.token))
    else:
        measure()


if __name__ == "__main__":
    main()
