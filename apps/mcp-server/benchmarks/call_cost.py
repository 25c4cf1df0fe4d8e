"""CPU of a local tools/call with checked arguments and result, beside the servers of the official SDK and of FastMCP.

Run: python benchmarks/call_cost.py [--calls 1600] [--rounds 7] [--connections 16] [--profile WHAT FILE]
from the app's folder, with the app, nexus_testkit and mcp 2.3 on PYTHONPATH, NEXUS_TEST_POSTGRES_URL and
NEXUS_TEST_REDIS_URL; with fastmcp 4 on it, too, that is measured beside them. Each server is a process of its own on 127.0.0.1; what it costs is the CPU time of all its threads as the kernel counts it, without that of
the client. The measurements take turns; medians are printed. All speak revision 2026-07-28 and answer JSON. The SDK's
low-level server checks neither a token nor arguments nor results; FastMCP checks the arguments.
"""

import argparse
import asyncio
import cProfile
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import websockets
from uvicorn import Config, Server

from nexus_testkit.issuer import Issuer, running_issuer
from nexus_testkit.schemas import Superuser

VERSION = "2026-07-28"
NAME = "add"
SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "integer", "minimum": 0}, "b": {"type": "integer"}, "note": {"type": "string"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
OUTPUT = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
META = {
    "io.modelcontextprotocol/protocolVersion": VERSION,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
}
CALL = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": NAME, "arguments": {"a": 20, "b": 22, "note": "a short one"}, "_meta": META},
    }
)


def ours(count: int) -> Any:  # noqa: ANN401  an ASGI application
    """mcp-server with `count` tools."""
    from mcp_server.app import create_app  # noqa: PLC0415  the other server does not pay for it
    from mcp_server.catalogue import Catalogue  # noqa: PLC0415
    from mcp_server.tools.registry import Tool  # noqa: PLC0415

    async def add(arguments: dict[str, Any], _request: object) -> object:
        return {"sum": arguments["a"] + arguments["b"]}

    names = [*(f"tool_{number}" for number in range(count - 1)), NAME]
    tools = [Tool(name, name, "Adds.", SCHEMA, OUTPUT, frozenset(), add) for name in names]
    return create_app(None, lambda _upstreams, _notices: Catalogue(tools=tools))


def sdk(count: int) -> Any:  # noqa: ANN401  an ASGI application
    """The SDK's low-level server."""
    import mcp_types as types  # noqa: PLC0415
    from mcp.server.lowlevel.server import Server as McpServer  # noqa: PLC0415

    names = [*(f"tool_{number}" for number in range(count - 1)), NAME]
    tools = [types.Tool(name=name, description="Adds.", input_schema=SCHEMA, output_schema=OUTPUT) for name in names]

    async def list_tools(_context: object, _params: object) -> types.ListToolsResult:
        return types.ListToolsResult(tools=tools)

    async def call_tool(_context: object, params: types.CallToolRequestParams) -> types.CallToolResult:
        arguments = params.arguments or {}
        content = {"sum": arguments["a"] + arguments["b"]}
        text = types.TextContent(type="text", text=json.dumps(content))
        return types.CallToolResult(content=[text], structured_content=content)

    server: McpServer[Any] = McpServer("sdk", on_list_tools=list_tools, on_call_tool=call_tool)
    return server.streamable_http_app(json_response=True, stateless_http=True)


def fastmcp(count: int) -> Any:  # noqa: ANN401  an ASGI application
    """FastMCP's server."""
    from fastmcp import FastMCP  # noqa: PLC0415

    def add(a: int, b: int, note: str = "") -> dict[str, int]:  # noqa: ARG001  an argument of the tool
        return {"sum": a + b}

    server = FastMCP("fastmcp")
    for name in [*(f"tool_{number}" for number in range(count - 1)), NAME]:
        server.tool(add, name=name)
    return server.http_app(json_response=True, stateless_http=True)


APPS = {"ours": ours, "sdk": sdk, "fastmcp": fastmcp}
SDK = "SDK, HTTP, 1 tool"
ASKED = {"WebSocket, 1 tool": 100, "HTTP, 1 tool": 250}
"""Microseconds."""

GROWTH = 1.1


async def serve(app: Any, *, own: bool) -> None:  # noqa: ANN401  an ASGI application
    """Serve an application, and print its port once it answers."""
    options: dict[str, Any] = {}
    if own:
        from nexus_chassis.supervisor import server_options  # noqa: PLC0415

        options = server_options(websockets=True, max_frame_bytes=1024 * 1024)
    server = Server(Config(app, "127.0.0.1", 0, **({"log_level": "warning", "access_log": False} | options)))
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

    def cpu_seconds(self) -> float:
        """CPU time of its threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


@contextmanager
def served(arguments: list[str], environment: dict[str, str]) -> Iterator[Served]:
    """This script as a process of its own that serves."""
    command = [sys.executable, __file__, *arguments]
    with subprocess.Popen(  # noqa: S603  a benchmark itself
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = process.stdout.readline() if process.stdout else ""
            if not port:
                raise SystemExit(f"{' '.join(arguments)} did not start")
            yield Served(process, int(port))
        finally:
            process.send_signal(signal.SIGINT)  # so that the profile is written


def _check(answer: bytes | str) -> None:
    if json.loads(answer)["result"]["structuredContent"] != {"sum": 42}:
        raise SystemExit(str(answer))


async def call_by_http(port: int, token: str, count: int) -> None:
    """Calls one after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {VERSION}\r\nMcp-Method: tools/call\r\n"
        f"Mcp-Name: {NAME}\r\nContent-Length: {len(CALL)}\r\n\r\n"
    )
    for _ in range(count):
        writer.write(head.encode() + CALL.encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        length = answer.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        _check(await reader.readexactly(int(length)))
    writer.close()
    await writer.wait_closed()


async def call_by_websocket(port: int, token: str, count: int) -> None:
    """Calls one after the other over one connection."""
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(
        f"ws://127.0.0.1:{port}/mcp", subprotocols=[websockets.Subprotocol("mcp")], additional_headers=headers
    ) as socket:
        for _ in range(count):
            await socket.send(CALL)
            _check(await socket.recv())


TRANSPORTS = {"HTTP": call_by_http, "WebSocket": call_by_websocket}


async def cost(served: Served, transport: str, token: str, options: argparse.Namespace) -> float:
    """Microseconds of CPU that a call takes."""
    each = options.calls // options.connections

    async def call_all(count: int) -> None:
        await asyncio.gather(*(TRANSPORTS[transport](served.port, token, count) for _ in range(options.connections)))

    await call_all(each // 10 + 1)
    before = served.cpu_seconds()
    await call_all(each)
    return (served.cpu_seconds() - before) * 1e6 / (each * options.connections)


@contextmanager
def temporary_schema() -> Iterator[SplitResult]:
    """A schema of mcp-server's own: the address with its role and password."""
    superuser = Superuser(os.environ["NEXUS_TEST_POSTGRES_URL"])
    with superuser.temporary_schema() as url:
        yield urlsplit(url)
    superuser.close()


@asynccontextmanager
async def environment_of(folder: Path, postgres: SplitResult) -> AsyncIterator[tuple[dict[str, str], Issuer]]:
    """The environment of mcp-server, and the issuer of its tokens."""
    for name in ("client_secret", "redis_password"):
        (folder / name).write_text("any")
    (folder / "postgres_password").write_text(str(postgres.password))
    with running_issuer() as issuer:
        yield (
            {
                "NEXUS_ISSUER": issuer.url,
                "NEXUS_JWKS_URL": issuer.jwks_url,
                "NEXUS_POSTGRES_URL": postgres._replace(
                    netloc=f"{postgres.username}@{postgres.hostname}:{postgres.port}"
                ).geturl(),
                "NEXUS_POSTGRES_PASSWORD_FILE": str(folder / "postgres_password"),
                "NEXUS_REDIS_URL": os.environ["NEXUS_TEST_REDIS_URL"],
                "NEXUS_REDIS_PASSWORD_FILE": str(folder / "redis_password"),
                "NEXUS_CLIENT_SECRET_FILE": str(folder / "client_secret"),
                "NEXUS_LOG_LEVEL": "error",
            },
            issuer,
        )


async def measure(options: argparse.Namespace) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        async with environment_of(Path(folder), options.postgres) as (environment, issuer):
            token = issuer.mint("mcp-server", ["tools:call"])
            targets = {
                "WebSocket, 1 tool": ("ours", 1, "WebSocket"),
                "WebSocket, 1000 tools": ("ours", 1000, "WebSocket"),
                "HTTP, 1 tool": ("ours", 1, "HTTP"),
                "HTTP, 1000 tools": ("ours", 1000, "HTTP"),
                SDK: ("sdk", 1, "HTTP"),
            }
            if find_spec("fastmcp") is None:
                print("FastMCP is not measured: fastmcp cannot be imported")
            else:
                targets["FastMCP, HTTP, 1 tool"] = ("fastmcp", 1, "HTTP")
            if options.profile:
                targets = {options.profile[0]: targets[options.profile[0]]}
            profiling = ["--profile", "-", options.profile[1]] if options.profile else []
            servers = {
                (role, count): stack.enter_context(
                    served(["--serve", role, "--tools", str(count), *profiling], environment)
                )
                for role, count in dict.fromkeys((role, count) for role, count, _ in targets.values())
            }
            costs: dict[str, list[float]] = {name: [] for name in targets}
            for _ in range(options.rounds):
                for name, (role, count, transport) in targets.items():
                    costs[name].append(await cost(servers[role, count], transport, token, options))
            report(costs)


def report(costs: dict[str, list[float]]) -> None:
    """Print the medians of the costs and of their ratios to the SDK's of the same round, and what is asked."""
    baseline = costs.get(SDK, next(iter(costs.values())))
    for name, values in costs.items():
        ratio = statistics.median(value / base for value, base in zip(values, baseline, strict=True))
        least = min(values)
        print(f"{name:<22} {statistics.median(values):7.1f} us of CPU (least {least:.1f})   {ratio:5.2f} of the SDK's")
    for transport in TRANSPORTS:
        names = f"{transport}, 1 tool", f"{transport}, 1000 tools"
        if set(names) <= costs.keys():
            growth = statistics.median(many / one for one, many in zip(*(costs[name] for name in names), strict=True))
            print(f"{transport}: 1000 tools cost {growth:.2f} times as much as 1 (asked: <= {GROWTH})")
    for name in ASKED.keys() & costs.keys():
        print(f"{name}: asked <= {ASKED[name]} us, measured {statistics.median(costs[name]):.1f} us")


def main() -> None:
    """Measure, or serve for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=APPS, help=argparse.SUPPRESS)
    parser.add_argument("--tools", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--calls", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--profile", nargs=2, metavar=("WHAT", "FILE"), help="profile one of the lines into a file")
    options = parser.parse_args()
    if not options.serve:
        with temporary_schema() as options.postgres:
            asyncio.run(measure(options))
        return
    import uvloop  # noqa: PLC0415  the loop that the services run in

    profiler = cProfile.Profile(builtins=False) if options.profile else nullcontext()
    with profiler, suppress(KeyboardInterrupt):
        uvloop.run(serve(APPS[options.serve](options.tools), own=options.serve == "ours"))
    if isinstance(profiler, cProfile.Profile):
        profiler.dump_stats(options.profile[1])


if __name__ == "__main__":
    main()
