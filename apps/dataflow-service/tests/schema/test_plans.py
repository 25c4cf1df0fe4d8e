"""Each kind of change: its SQL, that it works on rows, and that nothing is left to do then."""

import asyncpg
import pytest
from parts import Engine, indexes_of_parts, parts

from dataflow_service.schema.errors import DestructiveStepsError, RowsLackValueError
from dataflow_service.schema.steps import text
from dataflow_service.schema.tables import Column, Index, Schema

WEIGHT = Column("weight", "bigint", nullable=True)
COLOUR = Column("colour", "text", nullable=False, default="'grey'::text")
BY_NAME = Index("parts_name_idx", ("name", "id"), unique=False)
UNIQUE_NAME = Index("parts_name_key", ("name",), unique=True)
START = parts(WEIGHT)

CREATED = """\
-- 1. create table: lock none, in a transaction
CREATE TABLE "parts" ("id" bigint GENERATED ALWAYS AS IDENTITY, "name" text NOT NULL, "weight" bigint, \
"colour" text NOT NULL DEFAULT 'grey'::text, PRIMARY KEY ("id"));
-- 2. create index: lock SHARE, in a transaction
CREATE INDEX "parts_name_idx" ON "parts" ("name", "id");
-- 3. create index: lock SHARE, in a transaction
CREATE UNIQUE INDEX "parts_name_key" ON "parts" ("name");"""
NULLABLE_COLUMN = """\
-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD COLUMN "length" double precision;"""
COLUMN_WITH_DEFAULT = """\
-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD COLUMN "colour" text NOT NULL DEFAULT 'grey'::text;"""
DEFAULT = """\
-- 1. set default: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ALTER COLUMN "weight" SET DEFAULT '7'::bigint;"""
NULL_ALLOWED = """\
-- 1. drop not null: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ALTER COLUMN "name" DROP NOT NULL;"""
WIDER = """\
-- 1. change type: lock ACCESS EXCLUSIVE, in a transaction of its own, rewrites rows
ALTER TABLE "parts" ALTER COLUMN "weight" TYPE numeric USING "weight"::numeric;"""
REQUIRED = """\
-- 1. set default: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ALTER COLUMN "weight" SET DEFAULT '7'::bigint;
-- 2. backfill: lock ROW EXCLUSIVE, outside a transaction, rewrites rows
UPDATE "parts" SET "weight" = '7'::bigint WHERE "weight" IS NULL AND ctid >= $1 AND ctid < $2;
-- 3. add check: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD CONSTRAINT "weight_not_null" CHECK ("weight" IS NOT NULL) NOT VALID;
-- 4. backfill: lock ROW EXCLUSIVE, outside a transaction, rewrites rows
UPDATE "parts" SET "weight" = '7'::bigint WHERE "weight" IS NULL AND ctid >= $1 AND ctid < $2;
-- 5. validate check: lock SHARE UPDATE EXCLUSIVE, in a transaction of its own, reads the table
ALTER TABLE "parts" VALIDATE CONSTRAINT "weight_not_null";
-- 6. set not null: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ALTER COLUMN "weight" SET NOT NULL;
-- 7. drop check: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" DROP CONSTRAINT "weight_not_null";"""
INDEX = """\
-- 1. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE INDEX CONCURRENTLY "parts_name_idx" ON "parts" ("name", "id");"""
UNIQUE_INDEX = """\
-- 1. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("name");"""
DROPPED_COLUMN = """\
-- 1. drop column: lock ACCESS EXCLUSIVE, in a transaction, DESTRUCTIVE
ALTER TABLE "parts" DROP COLUMN "weight";"""
NARROWER = """\
-- 1. change type: lock ACCESS EXCLUSIVE, in a transaction of its own, rewrites rows, DESTRUCTIVE
ALTER TABLE "parts" ALTER COLUMN "weight" TYPE double precision USING "weight"::double precision;"""
DROPPED_TABLE = """\
-- 1. drop table: lock ACCESS EXCLUSIVE, in a transaction, DESTRUCTIVE
DROP TABLE "parts";"""
RENAMED = """\
-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD COLUMN "mass" bigint;
-- 2. drop column: lock ACCESS EXCLUSIVE, in a transaction, DESTRUCTIVE
ALTER TABLE "parts" DROP COLUMN "weight";"""


def _weight(kind: str = "bigint", *, nullable: bool = True, default: str | None = None) -> Column:
    return Column("weight", kind, nullable=nullable, default=default)


SAFE: dict[str, tuple[Schema, str]] = {
    "nullable column": (parts(WEIGHT, Column("length", "double precision", nullable=True)), NULLABLE_COLUMN),
    "column with a default": (parts(WEIGHT, COLOUR), COLUMN_WITH_DEFAULT),
    "default": (parts(_weight(default="'7'::bigint")), DEFAULT),
    "null allowed": (parts(WEIGHT, Column("name", "text", nullable=True)), NULL_ALLOWED),
    "wider type": (parts(_weight("numeric")), WIDER),
    "value required": (parts(_weight(nullable=False, default="'7'::bigint")), REQUIRED),
    "index": (parts(WEIGHT, indexes=[BY_NAME]), INDEX),
    "unique index": (parts(WEIGHT, indexes=[UNIQUE_NAME]), UNIQUE_INDEX),
}
DESTRUCTIVE: dict[str, tuple[Schema, str]] = {
    "dropped column": (parts(), DROPPED_COLUMN),
    "narrower type": (parts(_weight("double precision")), NARROWER),
    "dropped table": ({}, DROPPED_TABLE),
    "renamed column": (parts(Column("mass", "bigint", nullable=True)), RENAMED),
}


@pytest.fixture
async def rows(engine: Engine, database: asyncpg.Connection) -> Engine:
    """An engine that has made the table, with rows of which each second one has no weight."""
    await engine.apply(START)
    await database.execute("INSERT INTO parts (name, weight) SELECT 'n' || n, n % 2 FROM generate_series(1, 1000) AS n")
    await database.execute("UPDATE parts SET weight = NULL WHERE weight = 0")
    return engine


async def _is_done(engine: Engine, schema: Schema) -> None:
    assert (await engine.plan(schema)).steps == ()


async def test_a_new_table_comes_with_its_indexes(engine: Engine, database: asyncpg.Connection) -> None:
    schema = parts(WEIGHT, COLOUR, indexes=[BY_NAME, UNIQUE_NAME])
    assert text((await engine.plan(schema)).steps) == CREATED
    await engine.apply(schema)
    await database.execute("INSERT INTO parts (name) VALUES ('a')")
    assert [tuple(row) for row in await database.fetch("SELECT * FROM parts")] == [(1, "a", None, "grey")]
    await _is_done(engine, schema)


@pytest.mark.parametrize("change", SAFE)
async def test_a_change_that_loses_nothing_needs_no_flag_and_is_done_once(rows: Engine, change: str) -> None:
    schema, expected = SAFE[change]
    plan = await rows.plan(schema)
    assert text(plan.steps) == expected
    assert (await rows.apply(schema)).text == expected
    await _is_done(rows, schema)


@pytest.mark.parametrize("change", DESTRUCTIVE)
async def test_a_change_that_loses_data_needs_the_flag(rows: Engine, database: asyncpg.Connection, change: str) -> None:
    schema, expected = DESTRUCTIVE[change]
    assert text((await rows.plan(schema)).steps) == expected
    with pytest.raises(DestructiveStepsError) as caught:
        await rows.apply(schema)
    assert caught.value.statements == (expected.splitlines()[-1].removesuffix(";"),)
    assert await database.fetchval("SELECT count(weight) FROM parts") == 500
    await rows.apply(schema, destructive=True)
    await _is_done(rows, schema)


async def test_the_rows_without_a_value_get_the_default_and_the_others_keep_theirs(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await rows.apply(SAFE["value required"][0])
    found = await database.fetch("SELECT weight, count(*) FROM parts GROUP BY weight ORDER BY weight")
    assert [tuple(row) for row in found] == [(1, 500), (7, 500)]
    with pytest.raises(asyncpg.NotNullViolationError):
        await database.execute("INSERT INTO parts (name, weight) VALUES ('x', NULL)")
    constraints = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'parts'::regclass AND contype = 'c'"
    assert await database.fetchval(constraints) == 0


async def test_a_large_table_is_filled_in_batches_of_a_transaction_each(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(START)
    await database.execute("INSERT INTO parts (name) SELECT repeat('x', 400) FROM generate_series(1, 30000)")
    assert 1000 < await database.fetchval("SELECT pg_relation_size('parts') / 8192") < 2000
    await engine.apply(SAFE["value required"][0])
    found = await database.fetchrow("SELECT count(*), count(DISTINCT xmin::text) FROM parts WHERE weight = 7")
    assert tuple(found or ()) == (30000, 2)


async def test_a_column_with_a_default_rewrites_no_row_and_gives_each_its_value(
    rows: Engine, database: asyncpg.Connection
) -> None:
    file = "SELECT pg_relation_filenode('parts')"
    before = await database.fetchval(file)
    await rows.apply(parts(WEIGHT, COLOUR))
    assert await database.fetchval(file) == before
    assert await database.fetchval("SELECT count(*) FROM parts WHERE colour = 'grey'") == 1000


async def test_a_column_without_value_for_the_rows_is_refused_before_anything_runs(rows: Engine) -> None:
    with pytest.raises(RowsLackValueError) as caught:
        await rows.plan(parts(WEIGHT, Column("length", "bigint", nullable=False)))
    assert str(caught.value) == (
        "The new column length of parts may not be null and has no default, but the table has rows. "
        "Give the field a default, or let it be null."
    )


async def test_a_column_without_default_is_added_to_a_table_without_rows(engine: Engine) -> None:
    await engine.apply(START)
    schema = parts(WEIGHT, Column("length", "bigint", nullable=False))
    await engine.apply(schema)
    await _is_done(engine, schema)


async def test_a_changed_index_is_made_again(rows: Engine) -> None:
    await rows.apply(parts(WEIGHT, indexes=[BY_NAME]))
    schema = parts(WEIGHT, indexes=[Index("parts_name_idx", ("name",), unique=True)])
    assert [step.statement for step in (await rows.apply(schema)).steps] == [
        'DROP INDEX CONCURRENTLY IF EXISTS "parts_name_idx"',
        'CREATE UNIQUE INDEX CONCURRENTLY "parts_name_idx" ON "parts" ("name")',
    ]
    await _is_done(rows, schema)


async def test_an_index_that_no_model_declares_any_longer_is_dropped_and_a_strange_one_is_not(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await rows.apply(parts(WEIGHT, indexes=[BY_NAME]))
    await database.execute("CREATE INDEX by_hand ON parts (lower(name))")
    assert [step.statement for step in (await rows.apply(START)).steps] == [
        'DROP INDEX CONCURRENTLY IF EXISTS "parts_name_idx"'
    ]
    assert await indexes_of_parts(database) == [("by_hand", True), ("parts_pkey", True)]


@pytest.mark.parametrize(
    ("stored", "declared", "sql_type"),
    [
        ("0.50", "'0.5'::numeric", "numeric(9,1)"),
        ("5", "'5'::bigint", "bigint"),
        ("1e15", "'1000000000000000.0'::double precision", "double precision"),
        ("true", "true", "boolean"),
        ("'it''s'", "'it''s'::text", "text"),
        ("'a\\b'", "'a\\b'::text", "text"),
        ("""'{"b": 1, "a": 2}'""", """'{"a":2,"b":1}'::jsonb""", "jsonb"),
        ("'2026-02-03 04:05:06+02'", "'2026-02-03T02:05:06+00:00'::timestamp with time zone", "timestamptz"),
        ("'2026-02-03'", "'2026-02-03'::date", "date"),
    ],
)
async def test_a_default_that_is_written_in_another_way_is_no_change(
    engine: Engine, database: asyncpg.Connection, stored: str, declared: str, sql_type: str
) -> None:
    await engine.apply(parts())
    await database.execute(f"ALTER TABLE parts ADD COLUMN extra {sql_type} DEFAULT {stored}")
    kind = sql_type.replace("timestamptz", "timestamp with time zone")
    await _is_done(engine, parts(Column("extra", kind, nullable=True, default=declared)))


async def test_the_same_change_has_the_same_checksum_whatever_rows_there_are(
    rows: Engine, database: asyncpg.Connection
) -> None:
    schema = SAFE["value required"][0]
    before = await rows.plan(schema)
    await database.execute("DELETE FROM parts")
    await database.execute("ANALYZE parts")
    after = await rows.plan(schema)
    assert before.checksum == after.checksum
    assert (before.tables["parts"].rows, after.tables["parts"].rows) == (None, 0)


async def test_a_table_of_the_same_name_in_another_schema_is_neither_seen_nor_touched(
    engine: Engine, postgres_admin_url: str, database: asyncpg.Connection
) -> None:
    role = await database.fetchval("SELECT current_user")
    admin = await asyncpg.connect(postgres_admin_url)
    try:
        await admin.execute(f"CREATE SCHEMA {role}_other; CREATE TABLE {role}_other.parts (odd text)")
        await admin.execute(f"GRANT ALL ON SCHEMA {role}_other TO {role}; GRANT ALL ON {role}_other.parts TO {role}")
        await database.execute(f"ALTER ROLE {role} SET search_path = {role}, {role}_other")
        assert [step.action for step in (await engine.apply(START)).steps] == ["create table"]
        await engine.rollback()
        assert (await engine.status({})).unknown_tables == []
        columns = "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"
        assert [name for (name,) in await admin.fetch(columns, f"{role}_other.parts")] == ["odd"]
    finally:
        await admin.execute(f"DROP SCHEMA {role}_other CASCADE")
        await admin.close()
