"""pytest plugin: fixtures with real servers. Load it with `-p nexus_testkit.plugin`."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest
from redis import Redis

from nexus_testkit.issuer import Issuer, running_issuer
from nexus_testkit.schemas import Superuser

_DATABASES = range(1, 16)
_LEASE_SECONDS = 1800


def _server(variable: str) -> str:
    url = os.environ.get(variable)
    if not url:
        raise pytest.UsageError(f"{variable} is not set: these tests need real servers. Run them with `make unit`.")
    return url


@pytest.fixture(scope="session")
def postgres_admin_url() -> str:
    """URL of the PostgreSQL server as superuser."""
    return _server("NEXUS_TEST_POSTGRES_URL")


@pytest.fixture(scope="session")
def _superuser(postgres_admin_url: str) -> Iterator[Superuser]:
    superuser = Superuser(postgres_admin_url)
    yield superuser
    superuser.close()


@pytest.fixture
def postgres_url(_superuser: Superuser) -> Iterator[str]:
    """URL of a role of its own, with password, whose search path is an empty schema of its own; both go after the test."""
    with _superuser.temporary_schema() as url:
        yield url


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
