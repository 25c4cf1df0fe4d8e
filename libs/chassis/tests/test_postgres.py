import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.postgres import check, create_pool, migrate
from nexus_chassis.settings import PostgresSettings


@pytest_asyncio.fixture
async def pool(postgres_settings: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    pool = await create_pool(postgres_settings)
    await pool.execute("DROP TABLE IF EXISTS product, schema_migrations")
    yield pool
    await pool.close()


async def tables(pool: asyncpg.Pool) -> list[str]:
    rows = await pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    return [row["tablename"] for row in rows]


async def test_migrations_are_applied_once_and_recorded(pool: asyncpg.Pool, fixtures: Path) -> None:
    directory = fixtures / "migrations-good"

    assert await migrate(pool, directory) == ["0001_product.sql", "0002_name.sql"]
    assert await migrate(pool, directory) == []
    assert [tuple(row) for row in await pool.fetch("SELECT version, name, checksum FROM schema_migrations")] == [
        (number, name, hashlib.sha256((directory / name).read_bytes()).hexdigest())
        for number, name in enumerate(["0001_product.sql", "0002_name.sql"], start=1)
    ]


async def test_processes_that_start_together_migrate_once(pool: asyncpg.Pool, fixtures: Path) -> None:
    results = await asyncio.gather(*(migrate(pool, fixtures / "migrations-good") for _ in range(4)))

    assert sorted(results) == [[], [], [], ["0001_product.sql", "0002_name.sql"]]


async def refusal(pool: asyncpg.Pool, directory: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await migrate(pool, directory)
    return str(refused.value)


async def test_a_migration_changed_afterwards(pool: asyncpg.Pool, fixtures: Path) -> None:
    await migrate(pool, fixtures / "migrations-good")

    assert await refusal(pool, fixtures / "migrations-changed") == (
        "The migration 0001_product.sql was changed after it was applied as 0001_product.sql. "
        "Restore its former text and put the change into a new migration."
    )


async def test_a_failing_migration_leaves_nothing_behind(pool: asyncpg.Pool, fixtures: Path) -> None:
    assert await refusal(pool, fixtures / "migrations-failing") == (
        'The migration 0001_half.sql failed and left nothing behind: relation "half" already exists. '
        "Mend the file and start again."
    )
    assert await tables(pool) == ["schema_migrations"]


async def test_a_migration_may_take_longer_than_a_query(
    pool: asyncpg.Pool, postgres_settings: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_slow.sql").write_text("SELECT pg_sleep(1)")
    monkeypatch.setattr("nexus_chassis.postgres._COMMAND_SECONDS", 0.5)
    hasty = await create_pool(postgres_settings)

    assert await migrate(hasty, tmp_path) == ["0001_slow.sql"]
    assert await tables(pool) == ["schema_migrations"]
    await hasty.close()


async def test_a_misnamed_migration(pool: asyncpg.Pool, fixtures: Path) -> None:
    directory = fixtures / "migrations-misnamed"

    assert await refusal(pool, directory) == (
        f"{directory}/product.sql is not named like a migration. Call it NNNN_name.sql."
    )


async def test_no_migrations(pool: asyncpg.Pool, fixtures: Path) -> None:
    directory = fixtures / "migrations-none"

    assert await refusal(pool, directory) == (
        f"There are no migrations in {directory}. The image lacks them; build it again."
    )


async def test_a_refused_password(postgres_settings: PostgresSettings, secret: Callable[[str], Path]) -> None:
    path = secret("wrong")
    role = postgres_settings.postgres_url.partition("//")[2].partition("@")[0]
    address = postgres_settings.postgres_url.partition("@")[2].partition("/")[0]

    with pytest.raises(ConfigurationError) as refused:
        await create_pool(postgres_settings)

    assert str(refused.value) == (
        f"PostgreSQL at {address} refuses the role '{role}': "
        f'password authentication failed for user "{role}". '
        f"The database volume may be older than the secret in {path}: put the former password back into that file, "
        f"or set the new one with ALTER ROLE {role} PASSWORD as superuser."
    )


async def test_a_server_that_does_not_answer(secret: Callable[[str], Path], unused_tcp_port: int) -> None:
    settings = PostgresSettings(
        postgres_url=f"postgresql://example@127.0.0.1:{unused_tcp_port}/nexus",
        postgres_password_file=secret("x"),
    )

    with pytest.raises(ConfigurationError) as refused:
        await create_pool(settings, start_seconds=0.3)

    assert str(refused.value) == (
        f"PostgreSQL at 127.0.0.1:{unused_tcp_port} gave no connection within 0.3 s: "
        f"[Errno 111] Connect call failed ('127.0.0.1', {unused_tcp_port}). "
        "See that it runs, and that NEXUS_POSTGRES_URL names it."
    )


async def test_the_pool_outlives_its_connections(pool: asyncpg.Pool, postgres_admin_url: str) -> None:
    admin = await asyncpg.connect(postgres_admin_url)
    role = await pool.fetchval("SELECT current_user")
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
    await admin.close()
    await asyncio.sleep(0.1)

    await check(pool)
