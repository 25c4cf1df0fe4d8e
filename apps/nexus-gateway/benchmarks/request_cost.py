"""CPU of a request: GET /v1/me and a routed read in the gateway, beside a bare FastAPI handler under the same server.

Run: python benchmarks/request_cost.py [--requests 4000] [--rounds 5] [--connections 16] [--profile me|routed FILE]
from the app's folder, with the app and nexus_testkit on PYTHONPATH, NEXUS_TEST_POSTGRES_URL (as superuser) and
NEXUS_TEST_REDIS_URL. Each server is a process of its own on 127.0.0.1; what it costs is the CPU time of all its threads
as the kernel counts it, without that of the client and of the service behind the gateway. The measurements take turns,
and the median of the rounds is printed.
"""

import argparse
import asyncio
import cProfile
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from pydantic import BaseModel
from uvicorn import Config, Server

from nexus_chassis.drain import Drain
from nexus_chassis.protocol import ConnectionState
from nexus_chassis.supervisor import server_options

PASSWORD = "benchmark"  # noqa: S105  of a database that is dropped at the end
ROW = {"id": 1, "sku": "A-1", "name": "Cordless drill 18 V", "attributes": {"voltage": "18 V", "weight": "1.4 kg"}}
MICROSECONDS = 1e6


class Me(BaseModel):
    """What the bare handler answers: as much as GET /v1/me."""

    subject: str
    username: str
    tenant: str
    roles: list[str]
    client_id: str
    scopes: list[str]
    session_id: str
    expires_at: int


def bare() -> FastAPI:
    """A FastAPI application with one handler and nothing around it."""
    app = FastAPI()
    scopes = ["admin", "classify", "data:admin", "data:read", "data:write", "tools:call", "workflows:deploy"]

    @app.get("/v1/me")
    async def me() -> Me:
        return Me(
            subject="4b0c0a4e-5f27-4c52-9a5c-6f7a3f0b5b0e",
            username="admin",
            tenant="default",
            roles=["admin"],
            client_id="nexus",
            scopes=scopes,
            session_id="c2Vzc2lvbi1pZGVudGlmaWVy",
            expires_at=1_800_000_000,
        )

    return app


def upstream() -> FastAPI:
    """The service behind the gateway, which answers one row."""
    app = FastAPI()

    @app.get("/v1/product/1")
    async def row() -> dict[str, Any]:
        return ROW

    return app


def gateway() -> FastAPI:
    """The gateway, with settings from the environment."""
    from nexus_gateway.app import create_app  # noqa: PLC0415  the other servers don't pay for it

    return create_app()


APPS = {"bare": bare, "upstream": upstream, "gateway": gateway}


async def serve(role: str) -> None:
    """Serve an application, and print its port once it answers."""
    options = server_options(websockets=False, max_frame_bytes=65536)
    server = Server(Config(APPS[role](), "127.0.0.1", 0, log_level="warning", **options))
    server.server_state = ConnectionState(Drain())
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            serving.result()
        await asyncio.sleep(0.01)
    sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await serving


@dataclass
class Served:
    """A server that runs."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time of its threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def served(role: str, environment: dict[str, str], profile: str | None = None) -> Iterator[Served]:
    """A server as a process of its own."""
    arguments = [sys.executable, __file__, "--serve", role, *(["--profile", "-", profile] if profile else [])]
    with subprocess.Popen(  # noqa: S603  this script itself
        arguments, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = process.stdout.readline() if process.stdout else ""
            if not port:
                raise SystemExit(f"{role} did not start")
            yield Served(process, int(port))
        finally:
            process.send_signal(signal.SIGINT)


async def request_all(served: Served, path: str, token: str, count: int, connections: int) -> None:
    """Send `count` requests over so many connections, each its next one once it has the answer."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    await asyncio.gather(*(converse(served.port, request, count // connections) for _ in range(connections)))


async def converse(port: int, request: bytes, count: int) -> None:
    """Requests one after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(count):
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    writer.close()
    await writer.wait_closed()


async def cost(served: Served, path: str, token: str, count: int, connections: int) -> float:
    """Microseconds of CPU that a request takes."""
    await request_all(served, path, token, max(connections, count // 10), connections)
    before = served.cpu_seconds()
    await request_all(served, path, token, count, connections)
    return (served.cpu_seconds() - before) * MICROSECONDS / (count // connections * connections)


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """A database of its own; yields its URL."""
    server = urlsplit(os.environ["NEXUS_TEST_POSTGRES_URL"])
    name = f"bench_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(server.geturl())
    await connection.execute(f"CREATE DATABASE {name}")
    try:
        yield server._replace(path=f"/{name}").geturl()
    finally:
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


def settings(folder: Path, postgres_url: str, upstream_url: str) -> dict[str, str]:
    """Environment of the gateway."""
    url = urlsplit(postgres_url)
    key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    secrets_of = {
        "NEXUS_POSTGRES_PASSWORD_FILE": url.password or "any",
        "NEXUS_REDIS_PASSWORD_FILE": "any",
        "NEXUS_ADMIN_PASSWORD_FILE": PASSWORD,
        "NEXUS_SIGNING_KEY_FILE": key.decode(),
        "NEXUS_CLIENT_SECRET_FILE": "any",
    }
    for name, content in secrets_of.items():
        (folder / name).write_text(content)
    return {
        **{name: str(folder / name) for name in secrets_of},
        "NEXUS_POSTGRES_URL": url._replace(netloc=f"{url.username}@{url.hostname}:{url.port or 5432}").geturl(),
        "NEXUS_REDIS_URL": os.environ["NEXUS_TEST_REDIS_URL"],
        "NEXUS_DATAFLOW_URL": upstream_url,
        "NEXUS_RATE_LIMITS": "principal=9999999/1 address=9999999/1",  # they are counted, and not used up
    }


def sign_in(gateway_url: str) -> str:
    """An access token of the administrator."""
    body = json.dumps({"username": "admin", "password": PASSWORD}).encode()
    request = urllib.request.Request(f"{gateway_url}/v1/sessions", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  127.0.0.1
        return str(json.load(response)["access_token"])


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    profile = options.profile[1] if options.profile else None
    with tempfile.TemporaryDirectory() as folder:
        async with database() as postgres_url:
            with served("bare", {}) as bare_app, served("upstream", {}) as service:
                environment = settings(Path(folder), postgres_url, service.url)
                with served("gateway", environment, profile) as running:
                    token = sign_in(running.url)
                    targets = {
                        "bare FastAPI handler": (bare_app, "/v1/me"),
                        "gateway, GET /v1/me": (running, "/v1/me"),
                        "gateway, routed read": (running, "/v1/data/product/1"),
                    }
                    if options.profile:
                        name = {"me": "gateway, GET /v1/me", "routed": "gateway, routed read"}[options.profile[0]]
                        targets = {name: targets[name]}
                    await report(targets, token, options)


async def report(targets: dict[str, tuple[Served, str]], token: str, options: argparse.Namespace) -> None:
    """Measure in turns, and print the medians and their ratio to the first."""
    for connections in options.connections:
        costs: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(options.rounds):
            for name, (server, path) in targets.items():
                costs[name].append(await cost(server, path, token, options.requests, connections))
        medians = {name: statistics.median(values) for name, values in costs.items()}
        baseline = next(iter(medians.values()))
        print(f"{connections} connections, {options.rounds} rounds of {options.requests} requests")
        for name, median in medians.items():
            print(f"  {name:<22} {median:7.1f} us of CPU   {median / baseline:5.2f} times the bare handler")


def main() -> None:
    """Measure, or serve for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=APPS, help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--profile", nargs=2, metavar=("WHAT", "FILE"), help="profile `me` or `routed` into a file")
    options = parser.parse_args()
    if not options.serve:
        asyncio.run(measure(options))
        return
    import uvloop  # noqa: PLC0415  the loop that the services run in

    profiler = cProfile.Profile(builtins=False) if options.profile else nullcontext()
    with profiler, suppress(KeyboardInterrupt):
        uvloop.run(serve(options.serve))
    if isinstance(profiler, cProfile.Profile):
        profiler.dump_stats(options.profile[1])


if __name__ == "__main__":
    main()
