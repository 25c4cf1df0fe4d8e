"""Plans of models with soft delete and of computed fields."""

import time
from dataclasses import replace

import asyncpg
import pytest
from conftest import MakeSettings
from parts import Engine, indexes_of_parts, parts

from dataflow_service.registry import loader
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.errors import (
    DestructiveStepsError,
    InvalidExpressionError,
    IrreversibleError,
    StepFailedError,
)
from dataflow_service.schema.service import MigrationService
from dataflow_service.schema.steps import text
from dataflow_service.schema.tables import Check, Column, Index, Schema
from dataflow_service.settings import MIGRATIONS
from nexus_chassis.postgres import migrate

DELETED_AT = Column("deleted_at", "timestamp with time zone", nullable=True)
UNIQUE = Index("parts_name_key", ("name",), unique=True)
PRESENT = Index("parts_name_key", ("name",), unique=True, present=True)
WEIGHT = Column("weight", "bigint", nullable=False, default="'2'::bigint")
DOUBLE = Column("twice", "bigint", nullable=False, computed="weight * 2")
BY_TWICE = Index("parts_twice_idx", ("twice",), unique=False)


def _kept(*columns: Column, index: Index = PRESENT) -> Schema:
    return {"parts": replace(parts(*columns, indexes=[index])["parts"], soft_delete=True, model="Part")}


PLAIN = parts(indexes=[UNIQUE])
KEPT = _kept(DELETED_AT)

MARKED = """\
-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD COLUMN "deleted_at" timestamp with time zone;
-- 2. drop index: lock SHARE UPDATE EXCLUSIVE, outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS "parts_name_key";
-- 3. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("name") WHERE "deleted_at" IS NULL;"""
UNMARKED = """\
-- 1. drop mark of deleted rows: lock ACCESS EXCLUSIVE, in a transaction of its own, reads the table, DESTRUCTIVE
ALTER TABLE "parts" ADD CONSTRAINT "deleted_at_never" CHECK ("deleted_at" IS NULL); \
ALTER TABLE "parts" DROP COLUMN "deleted_at";
-- 2. drop index: lock SHARE UPDATE EXCLUSIVE, outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS "parts_name_key";
-- 3. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("name");"""
STILL_DELETED = 'rows of "parts" are deleted, which "deleted_at" says, and would be there again; restore them, or delete them by SQL.'
ADDED = """\
-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction of its own, rewrites rows
ALTER TABLE "parts" ADD COLUMN "twice" bigint GENERATED ALWAYS AS (weight * 2) STORED NOT NULL;
-- 2. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE INDEX CONCURRENTLY "parts_twice_idx" ON "parts" ("twice");"""
REPLACED = """\
-- 1. drop index: lock SHARE UPDATE EXCLUSIVE, outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS "parts_twice_idx";
-- 2. replace column: lock ACCESS EXCLUSIVE, in a transaction of its own, rewrites rows
ALTER TABLE "parts" DROP COLUMN "twice", ADD COLUMN "twice" bigint GENERATED ALWAYS AS (weight + weight + 1) STORED NOT NULL;
-- 3. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE INDEX CONCURRENTLY "parts_twice_idx" ON "parts" ("twice");"""


async def _steps(engine: Engine, schema: Schema) -> str:
    return text((await engine.plan(schema)).steps)


@pytest.fixture
async def rows(engine: Engine, database: asyncpg.Connection) -> Engine:
    """An engine that has made the table, with rows."""
    await engine.apply(parts(WEIGHT))
    await database.execute("INSERT INTO parts (name, weight) SELECT 'n' || n, n FROM generate_series(1, 100) AS n")
    return engine


async def test_a_table_gets_the_mark_of_deleted_rows_and_unique_indexes_of_the_others(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(PLAIN)
    await database.execute("INSERT INTO parts (name) VALUES ('a')")
    assert await _steps(engine, KEPT) == MARKED
    await engine.apply(KEPT)
    assert (await engine.plan(KEPT)).steps == ()
    await database.execute("UPDATE parts SET deleted_at = now(); INSERT INTO parts (name) VALUES ('a')")
    with pytest.raises(asyncpg.UniqueViolationError):
        await database.execute("INSERT INTO parts (name) VALUES ('a')")


async def test_the_way_back_needs_the_flag_and_that_no_row_is_deleted(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(KEPT)
    await database.execute("INSERT INTO parts (name, deleted_at) VALUES ('a', now()), ('b', NULL)")
    assert await _steps(engine, PLAIN) == UNMARKED
    with pytest.raises(DestructiveStepsError):
        await engine.apply(PLAIN)
    with pytest.raises(StepFailedError) as caught:
        await engine.apply(PLAIN, destructive=True)
    assert str(caught.value).endswith(f"failed: {STILL_DELETED} Nothing was changed.")
    assert (await engine.plan(KEPT)).steps == ()
    await database.execute("DELETE FROM parts WHERE deleted_at IS NOT NULL")
    await engine.apply(PLAIN, destructive=True)
    assert (await engine.plan(PLAIN)).steps == ()
    assert await database.fetch("SELECT name FROM parts") == [("b",)]
    with pytest.raises(IrreversibleError):
        await engine.rollback(destructive=True)


async def test_a_field_that_takes_the_place_of_the_mark_shows_no_deleted_row(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(KEPT)
    await database.execute("INSERT INTO parts (name, deleted_at) VALUES ('a', now())")
    own = parts(DELETED_AT, indexes=[UNIQUE])
    with pytest.raises(StepFailedError) as caught:
        await engine.apply(own)
    assert str(caught.value).endswith(f"failed: {STILL_DELETED} Nothing was changed.")
    await database.execute("DELETE FROM parts")
    await engine.apply(own)
    assert (await engine.plan(own)).steps == ()
    assert (await engine.plan(KEPT)).steps != ()


async def test_a_rollback_shows_no_deleted_row_again(engine: Engine, database: asyncpg.Connection) -> None:
    await engine.apply(PLAIN)
    await engine.apply(KEPT)
    await database.execute("INSERT INTO parts (name, deleted_at) VALUES ('a', now())")
    with pytest.raises(DestructiveStepsError):
        await engine.rollback()
    with pytest.raises(StepFailedError) as caught:
        await engine.rollback(destructive=True)
    assert STILL_DELETED in str(caught.value)
    await database.execute("DELETE FROM parts")
    await engine.rollback(destructive=True)
    assert (await engine.plan(PLAIN)).steps == ()


async def test_deleted_rows_of_all_tenants_stop_the_way_back(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> None:
    settings = make_settings()
    await migrate(settings, MIGRATIONS)
    kept = desired_schema(loader.load("kept_rows"))
    service = MigrationService(settings, kept)
    await service.apply((await service.plan()).checksum, destructive=False)
    await database.execute("SET app.tenant = 'acme'; INSERT INTO stores (id, deleted_at) VALUES ('s', now())")
    stores = kept["stores"]
    columns = {name: column for name, column in stores.columns.items() if name != "deleted_at"}
    without = MigrationService(settings, {**kept, "stores": replace(stores, columns=columns, soft_delete=False)})
    with pytest.raises(StepFailedError, match='rows of "stores" are deleted'):
        await without.apply((await without.plan()).checksum, destructive=True)


async def test_a_computed_column_is_added_with_its_values_and_taken_back_without_loss(
    rows: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, DOUBLE, indexes=[BY_TWICE])
    assert await _steps(rows, schema) == ADDED
    await rows.apply(schema)
    assert (await rows.plan(schema)).steps == ()
    assert await database.fetchval("SELECT count(*) FROM parts WHERE twice = weight * 2") == 100
    await rows.rollback()
    assert (await rows.plan(parts(WEIGHT))).steps == ()


async def test_another_expression_replaces_the_column_and_the_rollback_brings_the_former_one_back(
    rows: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, DOUBLE, indexes=[BY_TWICE])
    await rows.apply(schema)
    other = parts(WEIGHT, replace(DOUBLE, computed="weight + weight + 1"), indexes=[BY_TWICE])
    assert await _steps(rows, other) == REPLACED
    await rows.apply(other)
    assert (await rows.plan(other)).steps == ()
    assert await database.fetchval("SELECT count(*) FROM parts WHERE twice = weight * 2 + 1") == 100
    await rows.rollback()
    assert (await rows.plan(schema)).steps == ()
    assert await database.fetchval("SELECT count(*) FROM parts WHERE twice = weight * 2") == 100
    assert ("parts_twice_idx", True) in await indexes_of_parts(database)


async def test_another_type_or_check_of_a_computed_column_is_one_more_replacement(rows: Engine) -> None:
    check = Check("twice_texts", "twice", "CHECK (twice = ANY (ARRAY[2, 4]))")
    await rows.apply(parts(WEIGHT, replace(DOUBLE, computed="2"), checks=[check]))
    schema = parts(WEIGHT, Column("twice", "text", nullable=True, computed="(weight * 2)::text"))
    await rows.apply(schema)
    assert (await rows.plan(schema)).steps == ()


async def test_a_computed_column_is_dropped_without_the_flag_and_a_plain_one_replaced_with_it(
    rows: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(WEIGHT, DOUBLE)
    await rows.apply(schema)
    await rows.apply(parts(WEIGHT))
    await rows.rollback()
    assert (await rows.plan(schema)).steps == ()
    plain = parts(WEIGHT, replace(DOUBLE, computed=None))
    assert await _steps(rows, plain) == (
        '-- 1. drop expression: lock ACCESS EXCLUSIVE, in a transaction\nALTER TABLE "parts" ALTER COLUMN "twice" DROP EXPRESSION;'
    )
    await rows.apply(plain)
    assert (await rows.plan(plain)).steps == ()
    assert await database.fetchval("SELECT sum(twice) FROM parts") == 10100
    with pytest.raises(DestructiveStepsError):
        await rows.apply(schema)
    await rows.apply(schema, destructive=True)
    assert (await rows.plan(schema)).steps == ()


async def test_an_expression_is_the_same_however_it_is_written_and_drift_is_seen(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await rows.apply(parts(WEIGHT, DOUBLE))
    assert (await rows.plan(parts(WEIGHT, replace(DOUBLE, computed='(("weight") * 2)::bigint')))).steps == ()
    await database.execute(
        "ALTER TABLE parts DROP COLUMN twice, ADD twice bigint GENERATED ALWAYS AS (weight * 3) STORED NOT NULL"
    )
    pending = (await rows.status(parts(WEIGHT, DOUBLE))).pending
    assert [step.action for step in pending] == ["replace column"]
    await rows.apply(parts(WEIGHT, DOUBLE))
    assert await database.fetchval("SELECT sum(twice) FROM parts") == 10100


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("heft * 2", 'column "heft" does not exist'),
        ("weight *", 'syntax error at or near ")"'),
        ("'2026-02-03'::date", 'column "twice" is of type bigint but default expression is of type date'),
        ("extract(epoch FROM now())::bigint", "generation expression is not immutable"),
        ("(SELECT 1)", "cannot use subquery in column generation expression"),
        ("sum(weight)", "aggregate functions are not allowed in column generation expressions"),
    ],
)
async def test_an_expression_that_postgresql_refuses_is_named_by_model_and_field_when_the_plan_is_made(
    rows: Engine, database: asyncpg.Connection, expression: str, reason: str
) -> None:
    table = replace(parts(WEIGHT, replace(DOUBLE, computed=expression))["parts"], model="Part")
    with pytest.raises(InvalidExpressionError) as caught:
        await rows.plan({"parts": table})
    assert str(caught.value) == (
        f"PostgreSQL refuses the expression of Part.twice, ({expression}): {reason}. Correct it in `__computed__`."
    )
    assert await database.fetchval("SELECT to_regclass('\"computed columns\"')") is None


async def test_rows_for_which_nothing_can_be_computed_stop_the_plan_and_stay(
    rows: Engine, database: asyncpg.Connection
) -> None:
    for expression, kind in {
        "weight / (weight - 7)": "a value of",
        "nullif(weight, 7)": 'rows of "parts" have null in',
    }.items():
        with pytest.raises(StepFailedError, match=f'failed: {kind} "twice"'):
            await rows.apply(parts(WEIGHT, replace(DOUBLE, computed=expression)))
    assert await database.fetchval("SELECT count(*) FROM parts") == 100


async def test_a_hundred_expressions_are_compared_in_a_moment(engine: Engine) -> None:
    schema = parts(WEIGHT, *(replace(DOUBLE, name=f"c{n}", computed=f"weight * {n}") for n in range(100)))
    await engine.apply(schema)
    start = time.perf_counter()
    assert (await engine.plan(schema)).steps == ()
    taken = time.perf_counter() - start
    await engine.plan(parts(WEIGHT))
    without = time.perf_counter() - start - taken
    print(f"plan with 100 expressions {taken:.3f} s, without {without:.3f} s")  # noqa: T201 - a figure
    assert taken < 5
