import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis import connection_pool
from nexus_chassis.errors import DatabaseUnavailableError, PoolExhaustedError
from nexus_chassis.postgres import create_pool
from nexus_chassis.principal import Principal
from nexus_chassis.settings import PostgresSettings
from nexus_chassis.unit_of_work import Database
from nexus_testkit.waiting import until

ALICE = Principal("alice", "tests", frozenset(), "token", 0, "1", tenant="acme")


@pytest_asyncio.fixture
async def database(postgres_settings: PostgresSettings, connection: asyncpg.Connection) -> AsyncIterator[Database]:
    await connection.execute("CREATE TABLE product (id integer PRIMARY KEY)")
    database = Database(create_pool(postgres_settings.model_copy(update={"postgres_pool_size": 2})))
    yield database
    await database.close()


async def insert(database: Database, number: int) -> None:
    async with database.unit_of_work(ALICE) as work:
        await work.connection.execute("INSERT INTO product VALUES ($1)", number)


async def ids(database: Database) -> list[int]:
    async with database.read() as connection:
        return [row["id"] for row in await connection.fetch("SELECT id FROM product ORDER BY id")]


async def test_a_unit_of_work_commits(database: Database) -> None:
    await insert(database, 1)

    assert await ids(database) == [1]


async def insert_and_fail(database: Database) -> None:
    async with database.unit_of_work() as work:
        await work.connection.execute("INSERT INTO product VALUES (2)")
        raise ZeroDivisionError


async def test_a_unit_of_work_that_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        await insert_and_fail(database)

    assert await ids(database) == []


async def insert_twice(database: Database) -> None:
    async with database.unit_of_work() as work:
        await work.connection.execute("INSERT INTO product VALUES (2)")
        await work.connection.execute("INSERT INTO product VALUES (2)")


async def test_the_error_of_a_statement_passes_unchanged(database: Database) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await insert_twice(database)

    assert await ids(database) == []


async def test_a_unit_of_work_knows_who_acts_for_which_tenant(database: Database) -> None:
    async with database.unit_of_work(ALICE) as own, database.unit_of_work(ALICE, tenant="other") as other:
        assert (own.principal, own.tenant, other.principal, other.tenant) == (ALICE, "acme", ALICE, "other")


async def test_a_cancelled_statement_ends_on_the_server_and_frees_its_connection(
    database: Database, connection: asyncpg.Connection
) -> None:
    async def sleep() -> None:
        async with database.unit_of_work() as work:
            await work.connection.execute("INSERT INTO product VALUES (1)")
            await work.connection.execute("SELECT pg_sleep(60) AS cancelled")

    for _ in range(4):  # twice as many as there are connections
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sleep(), 0.1)

    assert await ids(database) == []
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%AS cancelled' AND state = 'active'"

    async def all_have_ended() -> bool:
        return bool(await connection.fetchval(running) == 0)

    await until(all_have_ended, 20)


async def hold(database: Database, seconds: float) -> None:
    async with database.read() as connection:
        await connection.execute("SELECT pg_sleep($1)", seconds)


async def test_who_finds_all_connections_in_use_waits(database: Database) -> None:
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(hold(database, 0.01))


async def test_a_pool_in_use_is_not_a_database_that_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_pool, "ACQUIRE_SECONDS", 0.05)
    holding = [asyncio.create_task(hold(database, 0.5)) for _ in range(2)]
    await asyncio.sleep(0.1)

    with pytest.raises(PoolExhaustedError) as exhausted:
        await ids(database)
    await database.check()

    assert str(exhausted.value) == "All 2 connections to PostgreSQL were in use for 0.05 s."
    await asyncio.gather(*holding)
    assert await ids(database) == []


async def test_connections_that_nobody_needs_are_closed(
    database: Database, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
    await asyncio.gather(*(hold(database, 0.1) for _ in range(2)))
    before = await connection.fetchval(count)
    monkeypatch.setattr(connection_pool, "IDLE_SECONDS", 0.1)
    await asyncio.sleep(0.2)
    await ids(database)

    async def one_is_left() -> bool:
        return bool(await connection.fetchval(count) == 1)

    assert before == 2
    await until(one_is_left, 20)


async def kill_own_connection(database: Database, admin: asyncpg.Connection) -> None:
    async with database.unit_of_work() as work:
        await admin.execute("SELECT pg_terminate_backend($1)", work.connection.get_server_pid())
        await work.connection.execute("SELECT pg_sleep(1)")


async def test_a_connection_that_dies_under_a_statement_is_reported(
    database: Database, postgres_admin_url: str
) -> None:
    admin = await asyncpg.connect(postgres_admin_url)
    with pytest.raises(DatabaseUnavailableError):
        await kill_own_connection(database, admin)
    await admin.close()

    assert await ids(database) == []


async def test_a_read_costs_one_round_trip(database: Database) -> None:
    async with database.read() as connection:
        sent: list[str] = []
        connection.add_query_logger(lambda query: sent.append(query.query))
    await ids(database)
    await asyncio.sleep(0)  # asyncpg calls its loggers a moment later

    assert sent == ["SELECT id FROM product ORDER BY id"]


@pytest_asyncio.fixture
async def apart(postgres_settings: PostgresSettings) -> AsyncIterator[Database]:
    """A database of one connection, which has the tenant of its use."""
    settings = postgres_settings.model_copy(update={"postgres_pool_size": 1})
    database = Database(create_pool(settings, row_security=True))
    yield database
    await database.close()


async def tenant_in_use(database: Database, tenant: str | None) -> str | None:
    async with database.read(tenant=tenant) as connection:
        found: str | None = await connection.fetchval("SELECT current_setting('app.tenant', true)")
    return found


async def test_a_connection_has_the_tenant_of_its_use_alone(apart: Database) -> None:
    used = ("acme", "acme", "globex", None, "acme", "x'; RESET app.tenant; --")
    assert [await tenant_in_use(apart, tenant) or None for tenant in used] == list(used)
    async with apart.unit_of_work(ALICE, tenant="other") as work:
        assert await work.connection.fetchval("SELECT current_setting('app.tenant')") == "other"
    assert await tenant_in_use(apart, None) == ""


async def test_a_connection_that_cannot_have_the_tenant_is_not_used_again(apart: Database) -> None:
    with pytest.raises(asyncpg.DataError):
        await tenant_in_use(apart, "\0")
    assert await tenant_in_use(apart, "acme") == "acme"
