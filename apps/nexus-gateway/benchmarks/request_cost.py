"""CPU of a request: GET /v1/me and a routed read in the gateway, beside a bare FastAPI handler under the same server.

Run: python benchmarks/request_cost.py [--requests 1600] [--rounds 15] [--connections 16] [--profile me|routed FILE]
from the app's folder, with the app and nexus_testkit on PYTHONPATH, NEXUS_TEST_POSTGRES_URL (as superuser) and
NEXUS_TEST_REDIS_URL. Each server is a process of its own on 127.0.0.1; what it costs is the CPU time of all its threads
as the kernel counts it, without that of the client and of the service behind the gateway. The measurements take turns;
the medians of the costs and of the ratios within each round are printed, since a machine's speed changes in minutes.
"""

import argparse
import asyncio
import cProfile
import signal
import statistics
import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from serving import Served, database, gateway, serve, served, settings, sign_in

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


APPS = {"bare": bare, "upstream": upstream, "gateway": gateway}


def _served(role: str, environment: dict[str, str], profile: str | None = None) -> AbstractContextManager[Served]:
    profiling = ["--profile", "-", profile] if profile else []
    return served(
        __file__, ["--serve", role, *profiling], environment, stop=signal.SIGINT
    )  # so that the profile is written


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


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    profile = options.profile[1] if options.profile else None
    with tempfile.TemporaryDirectory() as folder:
        async with database() as postgres_url:
            with _served("bare", {}) as bare_app, _served("upstream", {}) as service:
                environment = settings(Path(folder), postgres_url, service.url)
                with _served("gateway", environment, profile) as running:
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
    """Measure in turns, and print the medians of the costs and of their ratios to the first of the same round."""
    for connections in options.connections:
        costs: dict[str, list[float]] = {name: [] for name in targets}
        for _ in range(options.rounds):
            for name, (server, path) in targets.items():
                costs[name].append(await cost(server, path, token, options.requests, connections))
        print(f"{connections} connections, {options.rounds} rounds of {options.requests} requests")
        baseline = next(iter(costs.values()))
        for name, values in costs.items():
            ratio = statistics.median(value / bare for value, bare in zip(values, baseline, strict=True))
            print(f"  {name:<22} {statistics.median(values):7.1f} us of CPU   {ratio:5.2f} times the bare handler")


def main() -> None:
    """Measure, or serve for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=APPS, help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--profile", nargs=2, metavar=("WHAT", "FILE"), help="profile `me` or `routed` into a file")
    options = parser.parse_args()
    if not options.serve:
        asyncio.run(measure(options))
        return
    import uvloop  # noqa: PLC0415  the loop that the services run in

    profiler = cProfile.Profile(builtins=False) if options.profile else nullcontext()
    with profiler, suppress(KeyboardInterrupt):
        uvloop.run(serve(APPS[options.serve](), websockets=False))
    if isinstance(profiler, cProfile.Profile):
        profiler.dump_stats(options.profile[1])


if __name__ == "__main__":
    main()
