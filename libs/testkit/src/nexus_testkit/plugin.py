"""pytest plugin: fixtures with real servers. Load it with `-p nexus_testkit.plugin`."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from redis import Redis

from nexus_testkit.issuer import Issuer, running_issuer

_DATABASES = range(1, 16)
_LEASE_SECONDS = 1800


def _server(variable: str) -> str:
    url = os.environ.get(variable)
    if not url:
        raise pytest.UsageError(f"{variable} is not set: these tests need real servers. Run them with `make unit`.")
    return url


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """URL of the PostgreSQL server as superuser."""
    return _server("NEXUS_TEST_POSTGRES_URL")


@pytest.fixture(scope="session")
def postgres_url(postgres_admin_url: str) -> Iterator[str]:
    """URL of a role of its own, with password, whose search path is a schema of its own; both go after the session."""
    name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(12)
    asyncio.run(
        _execute(
            postgres_admin_url,
            f"CREATE ROLE {name} LOGIN PASSWORD '{password}'",
            f"CREATE SCHEMA {name} AUTHORIZATION {name}",
            f"ALTER ROLE {name} SET search_path = {name}",
        )
    )
    server = urlsplit(postgres_admin_url)
    address = f"{name}:{password}@{server.hostname}:{server.port or 5432}"
    yield urlunsplit(server._replace(netloc=address))
    asyncio.run(_execute(postgres_admin_url, f"DROP SCHEMA {name} CASCADE", f"DROP ROLE {name}"))


@pytest.fixture(scope="session")
def _redis_database() -> Iterator[str]:
    server = urlsplit(_server("NEXUS_TEST_REDIS_URL"))
    leases = Redis.from_url(urlunsplit(server._replace(path="/0")))
    number = next((n for n in _DATABASES if leases.set(f"nexus-testkit:{n}", 1, nx=True, ex=_LEASE_SECONDS)), None)
    if number is None:
        raise pytest.UsageError("Each database of the Redis test server is in use. Wait for the other test runs.")
    yield urlunsplit(server._replace(path=f"/{number}"))
    leases.delete(f"nexus-testkit:{number}")
    leases.close()


@pytest.fixture
def redis_url(_redis_database: str) -> str:
    """URL of a Redis database of its own, empty."""
    with Redis.from_url(_redis_database) as client:
        client.flushdb()
    return _redis_database


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """A real issuer of tokens, with its keys on HTTP."""
    with running_issuer() as running:
        yield running
