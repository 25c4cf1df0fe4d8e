"""What the benchmarks share: servers as processes of their own, and a gateway with a database of its own."""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from uvicorn import Config, Server

from nexus_chassis.drain import Drain
from nexus_chassis.protocol import ConnectionState
from nexus_chassis.supervisor import server_options

PASSWORD = "benchmark"  # noqa: S105  of a database that is dropped at the end


def gateway() -> FastAPI:
    """The gateway, with settings from the environment."""
    from nexus_gateway.app import create_app  # noqa: PLC0415  the other servers don't pay for it

    return create_app()


async def serve(app: Any, *, websockets: bool, **options: Any) -> None:  # noqa: ANN401  an ASGI application, and uvicorn's own options
    """Serve an application, and print its port once it answers; `options` go to uvicorn instead of the service's own."""
    chosen = server_options(websockets=websockets, max_frame_bytes=65536) | options
    server = Server(Config(app, "127.0.0.1", 0, log_level="warning", **chosen))
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
def served(
    script: str, arguments: list[str], environment: Mapping[str, str], stop: int = signal.SIGKILL
) -> Iterator[Served]:
    """A script as a process of its own, which calls `serve`; it is stopped by the signal `stop`."""
    command = [sys.executable, script, *arguments]
    with subprocess.Popen(  # noqa: S603  a benchmark itself
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            port = process.stdout.readline() if process.stdout else ""
            if not port:
                raise SystemExit(f"{' '.join(arguments)} did not start")
            yield Served(process, int(port))
        finally:
            process.send_signal(stop)


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
