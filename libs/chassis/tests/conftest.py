import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis.settings import PostgresSettings, RedisSettings
from nexus_testkit import Issuer, RevocationServer, revocation_server, serving

sys.path.insert(0, str(Path(__file__).parent / "fixtures"))


@pytest.fixture
def fixtures() -> Path:
    return Path(__file__).parent / "fixtures"


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], Path]:
    def write(content: str) -> Path:
        path = tmp_path / "secret"
        path.write_text(content)
        return path

    return write


@pytest.fixture
def postgres_settings(postgres_url: str, secret: Callable[[str], Path]) -> PostgresSettings:
    url = urlsplit(postgres_url)
    bare = url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl()
    return PostgresSettings(postgres_url=bare, postgres_password_file=secret(str(url.password)))


@pytest_asyncio.fixture
async def connection(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("DROP TABLE IF EXISTS product, schema_migrations")
    yield connection
    await connection.close()


@pytest.fixture
def redis_settings(redis_url: str, tmp_path: Path) -> RedisSettings:
    password = tmp_path / "redis_password"
    password.write_text("any")
    return RedisSettings(redis_url=redis_url, redis_password_file=password)


@pytest_asyncio.fixture
async def service(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    from example_service import create_app  # noqa: PLC0415  found on the path set above

    monkeypatch.setenv("NEXUS_ISSUER", issuer.url)
    monkeypatch.setenv("NEXUS_JWKS_URL", issuer.jwks_url)
    async with serving(create_app()) as url:
        yield url


@pytest_asyncio.fixture
async def revoking(redis_url: str) -> AsyncIterator[RevocationServer]:
    """What ended, as the gateway answers it."""
    async with revocation_server(redis_url) as server:
        yield server


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
