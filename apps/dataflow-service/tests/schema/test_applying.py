"""Applying, going on after an interruption, and rolling back."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from conftest import MakeSettings
from parts import Engine, indexes_of_parts, parts, until

from dataflow_service.schema import executor, repository
from dataflow_service.schema.errors import (
    ChecksumMismatchError,
    DestructiveStepsError,
    IrreversibleError,
    MigrationRunningError,
    NothingToRollBackError,
    RollbackUnfinishedError,
    StepFailedError,
    StepTooSlowError,
    TableLockedError,
)
from dataflow_service.schema.migration import Migration
from dataflow_service.schema.repository import LOCK_SECONDS
from dataflow_service.schema.tables import Column, Index
from dataflow_service.settings import MIGRATIONS
from nexus_chassis.errors import DatabaseUnavailableError
from nexus_chassis.postgres import migrate

WEIGHT = Column("weight", "bigint", nullable=True)
REQUIRED = Column("weight", "bigint", nullable=False)
FILLED = Column("weight", "bigint", nullable=False, default="'7'::bigint")
UNIQUE_NAME = Index("parts_name_key", ("name",), unique=True)


@pytest.fixture
async def rows(engine: Engine, database: asyncpg.Connection) -> Engine:
    """An engine that has made the table, with two rows of one name and no weight."""
    await engine.apply(parts(WEIGHT))
    await database.execute("INSERT INTO parts (name) VALUES ('a'), ('a')")
    return engine


@pytest.fixture
async def other(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of somebody else."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def _columns(database: asyncpg.Connection) -> list[str]:
    sql = (
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'parts'::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return [name for (name,) in await database.fetch(f"{sql} ORDER BY attnum")]


async def test_the_ledger_has_the_text_and_checksum_of_each_plan_with_its_times(
    engine: Engine, database: asyncpg.Connection
) -> None:
    first, second = await engine.apply(parts()), await engine.apply(parts(WEIGHT))
    found = await database.fetch(
        "SELECT checksum, text, state, done, applied_at >= started_at FROM model_migrations ORDER BY id"
    )
    assert [tuple(row) for row in found] == [
        (first.checksum, first.text, "applied", 1, True),
        (second.checksum, second.text, "applied", 1, True),
    ]


async def test_applying_when_nothing_is_to_be_done_writes_nothing(engine: Engine) -> None:
    first = await engine.apply(parts())
    assert await engine.apply(parts()) == first
    assert (await engine.status(parts())).migrations == [first]


async def test_a_plan_that_is_not_the_one_shown_is_refused(engine: Engine, database: asyncpg.Connection) -> None:
    shown = await engine.plan(parts())
    await database.execute("CREATE TABLE parts (id bigint PRIMARY KEY)")
    found = await engine.plan(parts())
    with pytest.raises(ChecksumMismatchError) as caught:
        await engine.of(parts()).apply(shown.checksum, destructive=True)
    assert str(caught.value) == (
        f"The plan has the checksum {found.checksum}, not {shown.checksum}: the models or the tables changed since it was "
        "shown. Plan again, and apply what is shown then."
    )
    assert await _columns(database) == ["id"]


async def test_of_two_that_apply_at_once_one_does_and_the_other_is_refused(
    engine: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, indexes=[UNIQUE_NAME])
    checksum = (await engine.plan(schema)).checksum
    tries = [engine.of(schema).apply(checksum, destructive=False) for _ in range(5)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted({type(one) for one in ended}, key=str) in (
        [ChecksumMismatchError, Migration],
        [ChecksumMismatchError, MigrationRunningError, Migration],
        [MigrationRunningError, Migration],
    )
    assert len([one for one in ended if isinstance(one, Migration)]) == 1
    assert await database.fetchval("SELECT count(*) FROM model_migrations") == 1


async def test_one_service_opens_one_connection_to_read_and_one_to_change(
    engine: Engine, database: asyncpg.Connection
) -> None:
    service = engine.of(parts())
    plan = await service.plan()
    tries = [service.apply(plan.checksum, destructive=False) for _ in range(3)]
    working = asyncio.gather(*(service.plan() for _ in range(20)), *tries, return_exceptions=True)
    counts = []
    while not working.done():
        counts.append(await database.fetchval("SELECT count(*) - 1 FROM pg_stat_activity WHERE usename = current_user"))
    assert max(counts) in {1, 2}
    assert [type(one) for one in working.result()[-3:]] == [Migration, MigrationRunningError, MigrationRunningError]


async def test_a_table_that_stays_in_use_is_reported_and_nothing_is_left(
    rows: Engine, database: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    schema = {**parts(WEIGHT, Column("length", "bigint", nullable=True))}
    async with other.transaction():
        await other.execute("UPDATE parts SET name = name")
        with pytest.raises(TableLockedError) as caught:
            await rows.apply(schema)
    assert str(caught.value) == (
        "The table parts stayed in use by another transaction for 2 s, so that "
        '`ALTER TABLE "parts" ADD COLUMN "length" bigint` did not get its lock. Nothing was changed.'
    )
    assert await _columns(database) == ["id", "name", "weight"]
    assert await database.fetchval("SELECT count(*) FROM model_migrations") == 1
    await rows.apply(schema)
    assert await _columns(database) == ["id", "name", "weight", "length"]


async def test_steps_that_share_a_transaction_take_effect_together_or_not_at_all(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await database.execute("CREATE DOMAIN odd AS bigint CHECK (VALUE > 9)")
    schema = parts(WEIGHT, Column("length", "bigint", nullable=True), Column("odd", "odd", nullable=True, default="1"))
    with pytest.raises(StepFailedError, match=r"Nothing was changed\.$"):
        await rows.apply(schema)
    assert await _columns(database) == ["id", "name", "weight"]


async def test_a_unique_index_over_equal_values_fails_with_the_query_that_finds_them_and_leaves_nothing(
    rows: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, indexes=[UNIQUE_NAME])
    with pytest.raises(StepFailedError) as caught:
        await rows.apply(schema)
    assert str(caught.value) == (
        '`CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("name")` failed: rows have the same "name"; '
        'find them by `SELECT "name" FROM "parts" GROUP BY "name" HAVING count(*) > 1`. Nothing was changed.'
    )
    assert await indexes_of_parts(database) == [("parts_pkey", True)]
    assert await database.fetchval("SELECT count(*) FROM model_migrations") == 1


async def test_a_plan_that_failed_in_its_middle_goes_on_once_the_cause_is_removed(
    rows: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(REQUIRED)
    with pytest.raises(StepFailedError) as caught:
        await rows.apply(schema)
    assert str(caught.value) == (
        '`ALTER TABLE "parts" VALIDATE CONSTRAINT "weight_not_null"` failed: rows of "parts" have null in "weight". '
        "1 of 4 steps are in effect: remove the cause, then apply the same plan again, or roll it back."
    )
    await database.execute("UPDATE parts SET weight = 1")
    plan = await rows.plan(schema)
    assert (plan.unfinished, len(plan.steps)) == (True, 4)
    done = await rows.apply(schema)
    assert (done.state, done.done) == ("applied", 4)
    assert (await rows.plan(schema)).steps == ()


async def test_a_plan_that_failed_in_its_middle_can_be_rolled_back(rows: Engine, database: asyncpg.Connection) -> None:
    with pytest.raises(StepFailedError):
        await rows.apply(parts(REQUIRED))
    assert (await rows.rollback()).state == "rolled back"
    await database.execute("INSERT INTO parts (name) VALUES ('no weight')")
    assert (await rows.plan(parts(WEIGHT))).steps == ()


async def test_an_index_that_was_left_invalid_is_made_again(rows: Engine, database: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("CREATE UNIQUE INDEX CONCURRENTLY parts_name_key ON parts (name)")
    assert await indexes_of_parts(database) == [("parts_name_key", False), ("parts_pkey", True)]
    await database.execute("UPDATE parts SET name = name || id")
    await rows.apply(parts(WEIGHT, indexes=[UNIQUE_NAME]))
    assert await indexes_of_parts(database) == [("parts_name_key", True), ("parts_pkey", True)]


async def test_an_index_is_made_while_others_write(
    rows: Engine, database: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, indexes=[Index("parts_name_idx", ("name",), unique=False)])
    async with other.transaction():
        await other.execute("UPDATE parts SET name = name")
        applying = asyncio.create_task(rows.apply(schema))
        await asyncio.sleep(3)  # longer than the time limit of locks, which others would wait behind
        await database.execute("INSERT INTO parts (name) VALUES ('meanwhile')", timeout=1)
        assert not applying.done()
    assert (await applying).state == "applied"


async def test_an_index_that_was_not_finished_is_gone_after_rolling_back(
    rows: Engine, database: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, indexes=[Index("parts_name_idx", ("name",), unique=False)])
    async with other.transaction():
        await other.execute("UPDATE parts SET name = name")
        applying = asyncio.create_task(rows.apply(schema))
        await until(lambda: indexes_of_parts(database), [("parts_name_idx", False), ("parts_pkey", True)])
        applying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await applying
    assert await indexes_of_parts(database) == [("parts_name_idx", False), ("parts_pkey", True)]
    assert (await rows.rollback()).state == "rolled back"
    assert await indexes_of_parts(database) == [("parts_pkey", True)]


async def test_an_index_that_takes_too_long_is_made_once_the_cause_is_gone(
    rows: Engine, database: asyncpg.Connection, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = parts(WEIGHT, indexes=[Index("parts_name_idx", ("name",), unique=False)])
    async with other.transaction():
        await other.execute("UPDATE parts SET name = name")
        monkeypatch.setattr(executor, "_STEP_SECONDS", 1.0)
        with pytest.raises(StepTooSlowError) as caught:
            await rows.apply(schema)
        monkeypatch.undo()
    assert str(caught.value) == (
        '`CREATE INDEX CONCURRENTLY "parts_name_idx" ON "parts" ("name")` was cancelled after 1 s. Look for long '
        "transactions, which an index waits for; then apply the same plan again, or roll it back."
    )
    assert (await rows.plan(schema)).unfinished
    await rows.apply(schema)
    assert await indexes_of_parts(database) == [("parts_name_idx", True), ("parts_pkey", True)]


async def test_an_index_is_dropped_while_others_write(
    rows: Engine, database: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await rows.apply(parts(WEIGHT, indexes=[Index("parts_name_idx", ("name",), unique=False)]))
    async with other.transaction():
        await other.execute("UPDATE parts SET name = name")
        applying = asyncio.create_task(rows.apply(parts(WEIGHT)))
        await asyncio.sleep(3)  # longer than the time limit of locks
        assert not applying.done()
    await applying
    assert await indexes_of_parts(database) == [("parts_pkey", True)]


async def test_a_connection_that_is_lost_while_rows_are_filled_loses_nothing(
    engine: Engine, database: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await engine.apply(parts(Column("weight", "bigint", nullable=True, default="'7'::bigint")))
    await database.execute(
        "INSERT INTO parts (name, weight) SELECT 'n', nullif(n % 2, 0) FROM generate_series(1, 100) AS n"
    )
    async with other.transaction():
        await other.execute("SELECT FROM parts WHERE id = 100 FOR UPDATE")
        with pytest.raises(TableLockedError, match=r"Rows that were filled keep their values\.$"):
            await engine.apply(parts(FILLED))
        applying = asyncio.create_task(engine.apply(parts(FILLED)))
        waiting = "FROM pg_stat_activity WHERE usename = current_user AND wait_event_type = 'Lock'"
        await until(lambda: database.fetchval(f"SELECT count(*) {waiting}"), 1)
        await database.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        with pytest.raises(DatabaseUnavailableError):
            await applying
    assert await database.fetchval("SELECT count(*) FROM parts WHERE weight IS NULL") == 50
    assert (await engine.apply(parts(FILLED))).state == "applied"
    found = await database.fetch("SELECT weight, count(*) FROM parts GROUP BY weight ORDER BY weight")
    assert [tuple(row) for row in found] == [(1, 50), (7, 50)]


async def test_a_name_that_an_index_of_another_table_has_is_refused(rows: Engine, database: asyncpg.Connection) -> None:
    await database.execute("CREATE TABLE by_hand (name text); CREATE INDEX parts_name_key ON by_hand (name)")
    with pytest.raises(StepFailedError, match=r'failed: relation "parts_name_key" already exists\. Nothing'):
        await rows.apply(parts(WEIGHT, indexes=[UNIQUE_NAME]))
    assert await database.fetchval("SELECT to_regclass('parts_name_key') IS NOT NULL")


async def test_a_wider_type_is_rolled_back_with_the_flag_only(rows: Engine, database: asyncpg.Connection) -> None:
    before = await rows.plan(parts(WEIGHT))
    await rows.apply(parts(Column("weight", "numeric", nullable=True)))
    with pytest.raises(DestructiveStepsError):
        await rows.rollback()
    await database.execute("UPDATE parts SET weight = 1")
    await rows.rollback(destructive=True)
    assert (await rows.plan(parts(WEIGHT))).tables == before.tables


async def test_rolling_back_makes_the_tables_what_they_were(rows: Engine, database: asyncpg.Connection) -> None:
    await database.execute("UPDATE parts SET name = name || id")
    before = await rows.plan(parts(WEIGHT))
    schema = parts(FILLED, indexes=[UNIQUE_NAME])
    await rows.apply(schema)
    done = await rows.rollback()
    assert (done.state, done.done, done.rolled_back_at is not None) == ("rolled back", 0, True)
    after = await rows.plan(parts(WEIGHT))
    assert (after.steps, after.tables) == ((), before.tables)
    assert (await rows.apply(schema)).state == "applied"


async def test_rolling_back_what_would_lose_rows_needs_the_flag(rows: Engine, database: asyncpg.Connection) -> None:
    with pytest.raises(DestructiveStepsError) as caught:
        await rows.rollback()
    assert caught.value.statements == ('DROP TABLE "parts"',)
    assert await database.fetchval("SELECT count(*) FROM parts") == 2
    await rows.rollback(destructive=True)
    assert await database.fetchval("SELECT to_regclass('parts')") is None


async def test_a_table_without_rows_is_rolled_back_without_the_flag(engine: Engine) -> None:
    await engine.apply(parts())
    await engine.rollback()
    with pytest.raises(NothingToRollBackError):
        await engine.rollback()


async def test_data_that_was_dropped_is_not_rolled_back(rows: Engine) -> None:
    await rows.apply(parts(), destructive=True)
    with pytest.raises(IrreversibleError) as caught:
        await rows.rollback(destructive=True)
    assert 'ALTER TABLE "parts" DROP COLUMN "weight";' in str(caught.value)


async def test_a_rollback_that_was_refused_a_lock_comes_first_and_is_finished_by_repeating_it(
    rows: Engine, other: asyncpg.Connection
) -> None:
    schema = parts(FILLED)
    await rows.apply(schema)
    async with other.transaction():
        await other.execute("UPDATE parts SET name = name")
        with pytest.raises(TableLockedError, match=r"are in effect: remove the cause, then roll back again\.$"):
            await rows.rollback()
    with pytest.raises(RollbackUnfinishedError):
        await rows.plan(schema)
    assert (await rows.rollback()).state == "rolled back"
    assert (await rows.plan(parts(WEIGHT))).steps == ()


async def test_what_nobody_declared_is_reported_and_left_alone(rows: Engine, database: asyncpg.Connection) -> None:
    await database.execute("CREATE TABLE by_hand (id bigint); ALTER TABLE parts ADD COLUMN note text")
    status = await rows.status(parts(WEIGHT))
    assert (status.unknown_tables, status.unknown_columns, status.pending) == (["by_hand"], ["parts.note"], ())


async def test_who_reads_the_tables_waits_behind_a_step_that_waits(rows: Engine, other: asyncpg.Connection) -> None:
    await rows.apply(parts(FILLED))
    async with other.transaction():
        await other.execute("LOCK TABLE parts")
        reading = asyncio.create_task(rows.status(parts(FILLED)))
        await asyncio.sleep(LOCK_SECONDS + 0.5)
        assert not reading.done()
    assert (await reading).pending == ()


async def test_who_reads_a_table_that_stays_locked_is_told_so(
    rows: Engine, other: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "READ_LOCK_SECONDS", 0.2)
    await rows.apply(parts(FILLED))
    async with other.transaction():
        await other.execute("LOCK TABLE parts")
        with pytest.raises(DatabaseUnavailableError) as caught:
            await rows.status(parts(FILLED))
    assert str(caught.value) == "Another transaction kept a table of the models locked for 0.2 s"


async def test_tables_that_were_there_before_belong_to_the_models_once_a_plan_was_applied(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await database.execute("CREATE TABLE parts (id bigint PRIMARY KEY, name text NOT NULL, weight bigint)")
    assert [step.action for step in (await engine.plan(parts())).steps] == []
    assert (await engine.status(parts())).unknown_columns == ["parts.weight"]
    await engine.apply(parts(WEIGHT))
    assert [step.action for step in (await engine.plan(parts())).steps] == ["drop column"]


async def test_no_role_but_the_owner_can_use_the_ledger_whose_steps_the_owner_runs(
    make_settings: MakeSettings, database: asyncpg.Connection, service_role: str
) -> None:
    settings = make_settings()
    owner = service_role.removesuffix("_service")
    grant = (
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {owner} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {service_role}"
    )
    await database.execute(grant)
    await migrate(settings, MIGRATIONS)
    allowed = "SELECT array_agg(has_table_privilege($1, name, 'UPDATE')) FROM unnest($2::text[]) AS name"
    assert await database.fetchval(allowed, service_role, ["products", "model_migrations"]) == [True, False]
