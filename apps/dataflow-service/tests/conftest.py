import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
import samples
from parts import Engine
from readings import TABLE
from tenants import DEFAULT_TENANT

import dataflow_service
from dataflow_service.app import create_app
from dataflow_service.registry import loader
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.service import MigrationService
from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis.postgres import migrate
from nexus_testkit import Issuer, serving
from nexus_testkit.tcp_proxy import TcpProxy

ROOT = Path(dataflow_service.__file__).parent.parent

CATALOGUE = "products, suppliers, categories, attributes, price_lists, price_items, documents"
"""The tables of the models that SQL files make."""

SEARCH = ROOT.parent.parent / "docker" / "postgres" / "initdb.d" / "20-search.sql"
"""What the image of PostgreSQL runs as superuser at each start, so that rows can be searched."""

type MakeSettings = Callable[..., Settings]


@pytest.fixture(scope="session", autouse=True)
def _database_with_search(postgres_admin_url: str) -> None:
    """Makes the database of the tests one that can be searched. Test processes take turns."""

    async def prepare() -> None:
        connection = await asyncpg.connect(postgres_admin_url)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('prepare for search'))")
            await connection.execute(SEARCH.read_text())
        await connection.close()

    asyncio.run(prepare())


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
            "revocations_url": "http://127.0.0.1:9/no-session-has-ended",
        }
        return Settings(**(values | changes))

    return make


@pytest.fixture
def environment(make_settings: MakeSettings) -> dict[str, str]:
    """Environment of a service process with the test's servers."""
    settings = make_settings()
    names = {name: str(field.validation_alias) for name, field in Settings.model_fields.items()}
    given = {names[name]: str(getattr(settings, name)) for name in settings.model_fields_set}
    path = os.pathsep.join([str(ROOT), *sys.path])
    return {**os.environ, **given, "PYTHONPATH": path, "PYTHONWARNINGS": "error"}


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The test's own look into the service's schema, at the rows of the default tenant."""
    connection = await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT)
    yield connection
    await connection.close()


@pytest.fixture
async def postgres_proxy(postgres_url: str) -> AsyncIterator[TcpProxy]:
    """What stands between the service and PostgreSQL."""
    async with TcpProxy(postgres_url) as proxy:
        yield proxy


@pytest.fixture
async def redis_proxy(redis_url: str) -> AsyncIterator[TcpProxy]:
    """What stands between the service and Redis."""
    async with TcpProxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
async def service(
    make_settings: MakeSettings, database: asyncpg.Connection, postgres_proxy: TcpProxy, redis_proxy: TcpProxy
) -> AsyncIterator[str]:
    """Address of a running service with no rows, whose ids start at 1."""
    direct = make_settings()
    settings = make_settings(
        postgres_url=postgres_proxy.instead_of(direct.postgres_url), redis_url=redis_proxy.instead_of(direct.redis_url)
    )
    async with serving(create_app(settings)) as url:
        await database.execute("TRUNCATE products RESTART IDENTITY CASCADE")
        yield url


@pytest.fixture
def token(issuer: Issuer) -> str:
    """A token that may read and write."""
    return issuer.mint("dataflow-service", {"data:read", "data:write"})


@asynccontextmanager
async def serving_client(settings: Settings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A running service with settings of its own, and an HTTP client of it that sends a token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with serving(create_app(settings)) as url, aiohttp.ClientSession(url, headers=headers) as session:
        yield session


@pytest.fixture
async def client(service: str, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the running service that sends the token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(service, headers=headers) as session:
        yield session


@pytest.fixture
def model_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the packages in the folders `fixtures` importable."""
    for folder in ("registry", "schema"):
        monkeypatch.syspath_prepend(Path(__file__).parent / folder / "fixtures")


@pytest.fixture
async def readings(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package every_type."""
    await database.execute(TABLE)
    async with serving_client(make_settings(models="every_type"), token) as session:
        yield session
    await database.execute("DROP TABLE instrument_readings")


@pytest.fixture
async def no_samples(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package nullable_types, and no rows."""
    await database.execute(samples.TABLE)
    async with serving_client(make_settings(models="nullable_types"), token) as session:
        yield session


@pytest.fixture
async def sample_rows(no_samples: aiohttp.ClientSession, database: asyncpg.Connection) -> aiohttp.ClientSession:
    """The same client, with the rows of `samples`."""
    await samples.insert(database, samples.samples(samples.ROWS))
    return no_samples


async def make_tables(settings: Settings) -> None:
    """Make the tables of the models by a plan."""
    await migrate(settings, MIGRATIONS)
    migrations = MigrationService(settings, desired_schema(loader.load(settings.models)))
    await migrations.apply((await migrations.plan()).checksum, destructive=False)


@asynccontextmanager
async def serving_models(settings: Settings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service, the tables of whose models are made by a plan before."""
    await make_tables(settings)
    async with serving_client(settings, token) as session:
        yield session


@pytest.fixture
async def offers(
    make_settings: MakeSettings,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package rich_types, whose table was made by a plan."""
    async with serving_models(make_settings(models="rich_types"), token) as session:
        yield session


@pytest.fixture
async def shop(
    make_settings: MakeSettings,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package related."""
    async with serving_models(make_settings(models="related"), token) as session:
        yield session


@pytest.fixture
async def engine(make_settings: MakeSettings, database: asyncpg.Connection) -> Engine:
    """The migrations of a schema that has the service's own tables only."""
    settings = make_settings()
    await migrate(settings, MIGRATIONS)
    await database.execute(f"DROP TABLE {CATALOGUE}")
    return Engine(settings)


@pytest.fixture
async def service_role(database: asyncpg.Connection, postgres_admin_url: str) -> AsyncIterator[str]:
    """A role with the password `unit` that may read and write the tables, and not change them."""
    owner = await database.fetchval("SELECT current_user")
    role = f"{owner}_service"
    admin = await asyncpg.connect(postgres_admin_url)
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'unit'; ALTER ROLE {role} SET search_path = {owner}")
    await admin.execute(f"GRANT USAGE ON SCHEMA {owner} TO {role}")
    await admin.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {owner} TO {role}")
    yield role
    await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    await admin.close()


@pytest.fixture
async def kept(
    make_settings: MakeSettings,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package kept_rows."""
    async with serving_models(make_settings(models="kept_rows"), token) as session:
        yield session
