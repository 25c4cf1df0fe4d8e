from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from proxy import Proxy

from dataflow_service.app import create_app
from dataflow_service.settings import Settings
from nexus_testkit import Issuer, serving

type MakeSettings = Callable[..., Settings]


@pytest.fixture
def make_settings(tmp_path: Path, postgres_url: str, redis_url: str, issuer: Issuer) -> MakeSettings:
    """Makes settings for the test's servers; keyword arguments replace single ones."""

    def secret(name: str, value: str) -> Path:
        path = tmp_path / name
        path.write_text(value)
        return path

    def make(**changes: object) -> Settings:
        url = urlsplit(postgres_url)
        values: dict[str, Any] = {
            "postgres_url": url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl(),
            "postgres_password_file": secret("postgres_password", str(url.password)),
            "redis_url": redis_url,
            "redis_password_file": secret("redis_password", "unused"),
            "issuer": issuer.url,
            "jwks_url": issuer.jwks_url,
        }
        return Settings(**(values | changes))

    return make


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The test's own look into the service's schema."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def postgres_proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    """What stands between the service and PostgreSQL."""
    async with Proxy(postgres_url) as proxy:
        yield proxy


@pytest.fixture
async def redis_proxy(redis_url: str) -> AsyncIterator[Proxy]:
    """What stands between the service and Redis."""
    async with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def service(
    make_settings: MakeSettings, database: asyncpg.Connection, postgres_proxy: Proxy, redis_proxy: Proxy
) -> AsyncIterator[str]:
    """Address of a running service with no rows, whose ids start at 1."""
    direct = make_settings()
    settings = make_settings(
        postgres_url=postgres_proxy.instead_of(direct.postgres_url), redis_url=redis_proxy.instead_of(direct.redis_url)
    )
    async with serving(create_app(settings)) as url:
        await database.execute("TRUNCATE products RESTART IDENTITY")
        yield url


@pytest.fixture
def token(issuer: Issuer) -> str:
    """A token that may read and write."""
    return issuer.mint("dataflow-service", {"data:read", "data:write"})


@pytest.fixture
async def client(service: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the running service that sends the token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(service, headers=headers) as session:
        yield session
