import asyncio
import hashlib
from pathlib import Path

import asyncpg
import pytest

from nexus_chassis.errors import ConfigurationError
from nexus_chassis.postgres import migrate
from nexus_chassis.settings import PostgresSettings

pytestmark = pytest.mark.usefixtures("connection")  # which empties the schema


async def tables(connection: asyncpg.Connection) -> list[str]:
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1")
    return [row["tablename"] for row in rows]


async def test_migrations_are_applied_once_and_recorded(
    postgres_settings: PostgresSettings, connection: asyncpg.Connection, fixtures: Path
) -> None:
    directory = fixtures / "migrations-good"

    assert await migrate(postgres_settings, directory) == ["0001_product.sql", "0002_name.sql"]
    assert await migrate(postgres_settings, directory) == []
    assert [tuple(row) for row in await connection.fetch("SELECT version, name, checksum FROM schema_migrations")] == [
        (number, name, hashlib.sha256((directory / name).read_bytes()).hexdigest())
        for number, name in enumerate(["0001_product.sql", "0002_name.sql"], start=1)
    ]


async def test_processes_that_start_together_migrate_once(postgres_settings: PostgresSettings, fixtures: Path) -> None:
    results = await asyncio.gather(*(migrate(postgres_settings, fixtures / "migrations-good") for _ in range(4)))

    assert sorted(results) == [[], [], [], ["0001_product.sql", "0002_name.sql"]]


async def refusal(settings: PostgresSettings, directory: Path) -> str:
    with pytest.raises(ConfigurationError) as refused:
        await migrate(settings, directory)
    return str(refused.value)


async def test_a_migration_changed_afterwards(postgres_settings: PostgresSettings, fixtures: Path) -> None:
    await migrate(postgres_settings, fixtures / "migrations-good")

    assert await refusal(postgres_settings, fixtures / "migrations-changed") == (
        "The migration 0001_product.sql was changed after it was applied as 0001_product.sql. "
        "Restore its former text and put the change into a new migration."
    )


async def test_a_failing_migration_leaves_nothing_behind(
    postgres_settings: PostgresSettings, connection: asyncpg.Connection, fixtures: Path
) -> None:
    assert await refusal(postgres_settings, fixtures / "migrations-failing") == (
        'The migration 0001_half.sql failed and left nothing behind: relation "half" already exists. '
        "Fix the file and start again."
    )
    assert await tables(connection) == ["schema_migrations"]


async def test_a_migration_may_take_longer_than_a_query(
    connection: asyncpg.Connection, postgres_settings: PostgresSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "0001_slow.sql").write_text("SELECT pg_sleep(1)")
    monkeypatch.setattr("nexus_chassis.postgres._COMMAND_SECONDS", 0.5)

    assert await migrate(postgres_settings, tmp_path) == ["0001_slow.sql"]
    assert await tables(connection) == ["schema_migrations"]


async def test_a_misnamed_migration(postgres_settings: PostgresSettings, fixtures: Path) -> None:
    directory = fixtures / "migrations-misnamed"

    assert await refusal(postgres_settings, directory) == (
        f"{directory}/product.sql is not named like a migration. Call it NNNN_name.sql."
    )


async def test_no_migrations(postgres_settings: PostgresSettings, fixtures: Path) -> None:
    directory = fixtures / "migrations-none"

    assert await refusal(postgres_settings, directory) == (
        f"There are no migrations in {directory}. The image lacks them; build it again."
    )
