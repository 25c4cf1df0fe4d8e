import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis.errors import ConfigurationError, DatabaseUnavailableError
from nexus_chassis.postgres import migrate, open_database
from nexus_chassis.settings import PostgresSettings
from nexus_chassis.unit_of_work import Database
from nexus_testkit.process import ServiceProcess
from nexus_testkit.tcp_proxy import TcpProxy

pytestmark = pytest.mark.usefixtures("connection")  # which empties the schema


@pytest.fixture
def proxy(postgres_settings: PostgresSettings, unused_tcp_port: int) -> TcpProxy:
    """Towards the server; not started."""
    return TcpProxy(postgres_settings.postgres_url, unused_tcp_port)


@pytest.fixture
def proxied(postgres_settings: PostgresSettings, proxy: TcpProxy) -> PostgresSettings:
    address = proxy.instead_of(postgres_settings.postgres_url)
    return postgres_settings.model_copy(update={"postgres_url": address})


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM product"))


async def until_opened(database: Database) -> None:
    async with asyncio.timeout(20):
        while not database.opened:  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.02)


async def test_a_database_is_migrated_and_prepared_before_it_is_opened(
    postgres_settings: PostgresSettings, fixtures: Path
) -> None:
    prepared = []

    async def prepare(database: Database) -> None:
        prepared.append((database.opened, await count(database)))

    async with open_database(postgres_settings, fixtures / "migrations-good", prepare=prepare) as database:
        assert (database.opened, prepared, await count(database)) == (True, [(False, 0)], 0)


async def test_a_service_starts_without_postgresql_and_opens_it_later(
    proxied: PostgresSettings, proxy: TcpProxy, fixtures: Path
) -> None:
    async with open_database(proxied, fixtures / "migrations-good") as database:
        assert not database.opened
        with pytest.raises(DatabaseUnavailableError):
            await count(database)
        async with proxy:
            await until_opened(database)
            assert await count(database) == 0


async def test_a_wrong_password_found_later_stops_the_service(
    proxied: PostgresSettings, proxy: TcpProxy, fixtures: Path, secret: Callable[[str], Path]
) -> None:
    secret("wrong")
    with pytest.raises(ConfigurationError, match="refuses the role"):
        async with open_database(proxied, fixtures / "migrations-good"), proxy:
            await asyncio.sleep(5)


def environment(settings: PostgresSettings) -> dict[str, str]:
    return {
        "NEXUS_POSTGRES_URL": settings.postgres_url,
        "NEXUS_POSTGRES_PASSWORD_FILE": str(settings.postgres_password_file),
    }


async def until_status(process: ServiceProcess, wanted: str) -> None:
    async with asyncio.timeout(10), aiohttp.ClientSession() as http:
        while True:
            async with http.get(f"{process.url}/readyz") as response:
                if (await response.json())["status"] == wanted:
                    return
            await asyncio.sleep(0.1)


async def test_a_process_without_postgresql_lives_and_becomes_ready_later(
    proxied: PostgresSettings, proxy: TcpProxy, fixtures: Path
) -> None:
    process = ServiceProcess([fixtures / "run_example.py", "database_service:create_app"], environment(proxied))
    await asyncio.to_thread(process.wait_until_it_answers)
    await until_status(process, "starting")
    async with proxy:
        await until_status(process, "ok")
    await until_status(process, "degraded")

    assert (await asyncio.to_thread(process.stop))[0] == 0


async def test_a_process_that_finds_a_wrong_password_later_exits_78(
    proxied: PostgresSettings, proxy: TcpProxy, fixtures: Path, secret: Callable[[str], Path]
) -> None:
    secret("wrong")
    process = ServiceProcess([fixtures / "run_example.py", "database_service:create_app"], environment(proxied))
    await asyncio.to_thread(process.wait_until_it_answers)
    async with proxy:
        status, log, _ = await asyncio.to_thread(process.outcome)

    (reason,) = [entry["message"] for entry in log if entry["level"] == "critical"]
    assert (status, "refuses the role" in reason) == (78, True)


async def test_a_refused_password(
    postgres_settings: PostgresSettings, secret: Callable[[str], Path], fixtures: Path
) -> None:
    path = secret("wrong")
    role = postgres_settings.postgres_url.partition("//")[2].partition("@")[0]
    address = postgres_settings.postgres_url.partition("@")[2].partition("/")[0]

    with pytest.raises(ConfigurationError) as refused:
        async with open_database(postgres_settings, fixtures / "migrations-good"):
            pass

    assert str(refused.value) == (
        f"PostgreSQL at {address} refuses the role '{role}': "
        f'password authentication failed for user "{role}". '
        f"The database volume may be older than the secret in {path}: put the former password back into that file, "
        f"or set the new one with ALTER ROLE {role} PASSWORD as superuser."
    )


async def test_an_address_that_is_not_one_of_postgresql(secret: Callable[[str], Path], fixtures: Path) -> None:
    settings = PostgresSettings(postgres_url="http://db/nexus", postgres_password_file=secret("x"))

    with pytest.raises(ConfigurationError) as refused:
        await migrate(settings, fixtures / "migrations-good")

    assert str(refused.value) == (
        'NEXUS_POSTGRES_URL is not usable: invalid DSN: scheme is expected to be either "postgresql" or "postgres", '
        "got 'http'."
    )


async def test_the_pool_outlives_its_connections(
    postgres_settings: PostgresSettings, fixtures: Path, postgres_admin_url: str
) -> None:
    async with open_database(postgres_settings, fixtures / "migrations-good") as database:
        admin = await asyncpg.connect(postgres_admin_url)
        role = urlsplit(postgres_settings.postgres_url).username
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
        await admin.close()
        await asyncio.sleep(0.1)

        assert await count(database) == 0
        await database.check()


@pytest_asyncio.fixture
async def owner(
    postgres_admin_url: str, postgres_settings: PostgresSettings, tmp_path: Path
) -> AsyncIterator[PostgresSettings]:
    """Settings with an owner role of its own, whose schema the service's role may use."""
    role = urlsplit(postgres_settings.postgres_url).username
    name, password = f"{role}_owner", tmp_path / "owner_password"
    password.write_text("owner\r\n")
    admin = await asyncpg.connect(postgres_admin_url)
    await admin.execute(f"""
        CREATE ROLE {name} LOGIN PASSWORD 'owner'; CREATE SCHEMA {name} AUTHORIZATION {name};
        ALTER ROLE {name} SET search_path = {name}; GRANT USAGE ON SCHEMA {name} TO {role};
        ALTER DEFAULT PRIVILEGES FOR ROLE {name} IN SCHEMA {name} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
    """)
    url = urlsplit(postgres_settings.postgres_url)
    yield postgres_settings.model_copy(
        update={
            "postgres_url": f"{postgres_settings.postgres_url}?search_path={name}",
            "postgres_owner_url": url._replace(netloc=f"{name}@{url.hostname}:{url.port}").geturl(),
            "postgres_owner_password_file": password,
        }
    )
    await admin.execute(f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")
    await admin.close()


async def test_migrations_are_applied_by_the_owner_role(owner: PostgresSettings, fixtures: Path) -> None:
    async with open_database(owner, fixtures / "migrations-good") as database:
        assert await count(database) == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.read() as connection:
                await connection.execute("DROP TABLE product")


async def test_more_connections_than_the_server_has_are_reported(
    postgres_settings: PostgresSettings,
    fixtures: Path,
    connection: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
) -> None:
    limit = int(await connection.fetchval("SHOW max_connections"))
    enough, large = (postgres_settings.model_copy(update={"postgres_pool_size": size}) for size in (10, limit))
    for settings in (enough, large):
        async with open_database(settings, fixtures / "migrations-good", workers=2):
            pass

    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == (
        f"This service may open {2 * limit + 2} connections (WEB_CONCURRENCY 2 x (NEXUS_POSTGRES_POOL_SIZE {limit} + 1 "
        f"for health)), but PostgreSQL takes {limit - 3} (max_connections {limit} - 3 reserved). Lower one of the two "
        "settings or raise max_connections."
    )
