"""What the benchmarks share: a database of its own, servers as processes, and the service."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

import asyncpg

from nexus_testkit.issuer import running_issuer
from nexus_testkit.process import free_port

_PASSWORD = "benchmark"  # noqa: S105 - of a role that exists for a benchmark


class Service(NamedTuple):
    """A running service: its address, its process, and a token for it."""

    url: str
    pid: int
    token: str

    @property
    def worker(self) -> int:
        """The process that serves."""
        (worker,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text("ascii").split()
        return int(worker)


_SEARCH = Path(__file__).parents[3] / "docker" / "postgres" / "initdb.d" / "20-search.sql"
"""What the image of PostgreSQL runs at each start."""


@contextmanager
def database() -> Iterator[str]:
    """URL of a new database as superuser, whom policies do not concern. It is dropped afterwards, with its owner of the same name."""
    server, name = os.environ["NEXUS_TEST_POSTGRES_URL"], f"benchmark_{secrets.token_hex(4)}"
    asyncio.run(
        _execute(
            server,
            f"CREATE ROLE {name} LOGIN PASSWORD '{_PASSWORD}'",
            f"CREATE DATABASE {name} OWNER {name}",
            f"ALTER DATABASE {name} SET app.tenant = 'default'",
        )
    )
    url = urlsplit(server)._replace(path=f"/{name}").geturl()
    try:
        asyncio.run(_execute(url, _SEARCH.read_text()))
        yield url
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)", f"DROP ROLE {name}"))


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


@contextmanager
def process(arguments: list[str], environment: dict[str, str], url: str) -> Iterator[int]:
    """A server in a process of its own, once `url` answers; yields its process id."""
    server = subprocess.Popen([sys.executable, *arguments], env={**os.environ, **environment})  # noqa: S603 - own files
    try:
        while server.poll() is None and not _answers(url):
            time.sleep(0.05)
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
def service_environment(postgres_url: str) -> Iterator[tuple[dict[str, str], str]]:
    """The environment of a service with a database, as its owner, and a token for it."""
    url = urlsplit(postgres_url)
    with TemporaryDirectory() as folder, running_issuer() as issuer:
        password = Path(folder) / "password"
        password.write_text(_PASSWORD)
        yield (
            {
                "NEXUS_POSTGRES_URL": url._replace(netloc=f"{url.path[1:]}@{url.hostname}:{url.port or 5432}").geturl(),
                "NEXUS_POSTGRES_PASSWORD_FILE": str(password),
                "NEXUS_REDIS_URL": os.environ["NEXUS_TEST_REDIS_URL"],
                "NEXUS_REDIS_PASSWORD_FILE": str(password),
                "NEXUS_ISSUER": issuer.url,
                "NEXUS_JWKS_URL": issuer.jwks_url,
                "NEXUS_REVOCATIONS_URL": f"{issuer.url}/no-session-has-ended",
                "NEXUS_LOG_LEVEL": "error",
                "NEXUS_DRAIN_SECONDS": "0",
                "HOST": "127.0.0.1",
                "PORT": str(free_port()),
                "NEXUS_ADMIN_PORT": str(free_port()),
            },
            issuer.mint("dataflow-service", {"data:read", "data:write"}, lifetime=7200),
        )


@contextmanager
def service(postgres_url: str, **variables: str) -> Iterator[Service]:
    """A service that is ready; `variables` of its environment replace those that it would have."""
    with service_environment(postgres_url) as (environment, token):
        url = f"http://127.0.0.1:{environment['PORT']}"
        with process(["-m", "dataflow_service"], environment | variables, f"{url}/readyz") as pid:
            yield Service(url, pid, token)


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of its living children."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    return own + sum(cpu_seconds(int(child)) for child in children)
