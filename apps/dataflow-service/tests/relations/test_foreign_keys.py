"""Foreign keys in plans: added to tables with rows, changed, dropped, rolled back."""

import asyncpg
import pytest
from parts import Engine

from dataflow_service.schema.errors import StepFailedError
from dataflow_service.schema.steps import text
from dataflow_service.schema.tables import Column, ForeignKey, Index, Schema, Table

ID = Column("id", "bigint", nullable=False)
MAKER = Column("maker_id", "bigint", nullable=True)
BY_MAKER = Index("parts_maker_id_idx", ("maker_id",), unique=False)
OF_MAKERS = ForeignKey("maker_id_fkey", ("maker_id",), "makers", ("id",))
OF_OWNERS = ForeignKey("maker_id_fkey", ("maker_id",), "owners", ("id",))

NEW_TABLES = """\
-- 1. create table: lock none, in a transaction
CREATE TABLE "makers" ("id" bigint GENERATED ALWAYS AS IDENTITY, "best_id" bigint, PRIMARY KEY ("id"));
-- 2. create table: lock none, in a transaction
CREATE TABLE "parts" ("id" bigint GENERATED ALWAYS AS IDENTITY, "maker_id" bigint, PRIMARY KEY ("id"));
-- 3. create index: lock SHARE, in a transaction
CREATE INDEX "parts_maker_id_idx" ON "parts" ("maker_id");
-- 4. add foreign key: lock SHARE ROW EXCLUSIVE, in a transaction
ALTER TABLE "makers" ADD CONSTRAINT "best_id_fkey" FOREIGN KEY ("best_id") REFERENCES "parts" ("id") DEFERRABLE;
-- 5. add foreign key: lock SHARE ROW EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD CONSTRAINT "maker_id_fkey" FOREIGN KEY ("maker_id") REFERENCES "makers" ("id") DEFERRABLE;"""
ADDED = """\
-- 1. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE INDEX CONCURRENTLY "parts_maker_id_idx" ON "parts" ("maker_id");
-- 2. add foreign key: lock SHARE ROW EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD CONSTRAINT "maker_id_fkey" FOREIGN KEY ("maker_id") REFERENCES "makers" ("id") DEFERRABLE NOT VALID;
-- 3. validate foreign key: lock SHARE UPDATE EXCLUSIVE, in a transaction of its own, reads the table
ALTER TABLE "parts" VALIDATE CONSTRAINT "maker_id_fkey";"""
KEYS = (
    "SELECT conname::text, confrelid::regclass::text, convalidated FROM pg_constraint "
    "WHERE contype = 'f' AND connamespace = current_schema()::regnamespace ORDER BY 1"
)


def _schema(*keys: ForeignKey) -> Schema:
    indexes = {BY_MAKER.name: BY_MAKER} if keys else {}
    tables = [Table(name, {"id": ID}, {}) for name in ("makers", "owners")]
    parts = Table("parts", {"id": ID, "maker_id": MAKER}, indexes, foreign_keys={key.name: key for key in keys})
    return {table.name: table for table in [*tables, parts]}


async def _keys(database: asyncpg.Connection) -> list[tuple[str, str, bool]]:
    return [tuple(row) for row in await database.fetch(KEYS)]


@pytest.fixture
async def rows(engine: Engine, database: asyncpg.Connection) -> Engine:
    """An engine that has made tables without foreign keys: the maker 1, and a part of it."""
    await engine.apply(_schema())
    await database.execute("INSERT INTO makers DEFAULT VALUES; INSERT INTO parts (maker_id) VALUES (1), (NULL)")
    return engine


async def test_new_tables_that_refer_to_each_other_are_made_and_then_their_foreign_keys(
    engine: Engine, database: asyncpg.Connection
) -> None:
    best = ForeignKey("best_id_fkey", ("best_id",), "parts", ("id",))
    makers = Table(
        "makers", {"id": ID, "best_id": Column("best_id", "bigint", nullable=True)}, {}, foreign_keys={best.name: best}
    )
    schema = {"makers": makers, "parts": _schema(OF_MAKERS)["parts"]}
    assert text((await engine.plan(schema)).steps) == NEW_TABLES
    await engine.apply(schema)
    assert await _keys(database) == [("best_id_fkey", "parts", True), ("maker_id_fkey", "makers", True)]
    assert (await engine.plan(schema)).steps == ()
    await engine.rollback()
    assert await database.fetchval("SELECT to_regclass('parts') IS NULL AND to_regclass('makers') IS NULL")
    await engine.apply(schema)
    dropped = [step.action for step in (await engine.apply({}, destructive=True)).steps]
    assert dropped == ["drop foreign key", "drop foreign key", "drop table", "drop table"]


async def test_a_foreign_key_is_added_to_rows_without_reading_them_under_its_lock(
    rows: Engine, database: asyncpg.Connection
) -> None:
    assert text((await rows.plan(_schema(OF_MAKERS))).steps) == ADDED
    await rows.apply(_schema(OF_MAKERS))
    assert await _keys(database) == [("maker_id_fkey", "makers", True)]
    assert (await rows.plan(_schema(OF_MAKERS))).steps == ()
    await rows.rollback()
    assert await _keys(database) == []


async def test_rows_that_refer_to_none_stop_the_plan_which_goes_on_once_they_are_corrected(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO parts (maker_id) VALUES (4711)")
    with pytest.raises(StepFailedError) as caught:
        await rows.apply(_schema(OF_MAKERS))
    assert str(caught.value) == (
        '`ALTER TABLE "parts" VALIDATE CONSTRAINT "maker_id_fkey"` failed: rows of "parts" refer by "maker_id" to rows that '
        "are not there. 2 of 3 steps are in effect: remove the cause, then apply the same plan again, or roll it back."
    )
    assert await _keys(database) == [("maker_id_fkey", "makers", False)]
    await database.execute("DELETE FROM parts WHERE maker_id = 4711")
    await rows.apply(_schema(OF_MAKERS))
    assert await _keys(database) == [("maker_id_fkey", "makers", True)]


async def test_a_foreign_key_to_another_table_replaces_the_former_one(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await rows.apply(_schema(OF_MAKERS))
    await database.execute("INSERT INTO owners DEFAULT VALUES")
    actions = [step.action for step in (await rows.apply(_schema(OF_OWNERS))).steps]
    assert actions == ["drop foreign key", "add foreign key", "validate foreign key"]
    assert await _keys(database) == [("maker_id_fkey", "owners", True)]
    await rows.rollback()
    assert await _keys(database) == [("maker_id_fkey", "makers", False)]
    actions = [step.action for step in (await rows.apply(_schema(OF_MAKERS))).steps]
    assert actions == ["validate foreign key"]


async def test_a_foreign_key_that_no_model_declares_any_longer_is_dropped_and_a_strange_one_is_not(
    rows: Engine, database: asyncpg.Connection
) -> None:
    await rows.apply(_schema(OF_MAKERS))
    await database.execute("ALTER TABLE parts ADD CONSTRAINT by_hand FOREIGN KEY (maker_id) REFERENCES makers")
    actions = [step.action for step in (await rows.apply(_schema())).steps]
    assert actions == ["drop foreign key", "drop index"]
    assert await _keys(database) == [("by_hand", "makers", True)]


async def test_a_foreign_key_that_acts_by_itself_is_replaced(rows: Engine, database: asyncpg.Connection) -> None:
    await rows.apply(_schema(OF_MAKERS))
    await database.execute(
        "ALTER TABLE parts DROP CONSTRAINT maker_id_fkey, "
        "ADD CONSTRAINT maker_id_fkey FOREIGN KEY (maker_id) REFERENCES makers ON DELETE CASCADE"
    )
    actions = [step.action for step in (await rows.apply(_schema(OF_MAKERS))).steps]
    assert actions == ["drop foreign key", "add foreign key", "validate foreign key"]
    await rows.rollback()
    assert await database.fetchval("SELECT confdeltype::text FROM pg_constraint WHERE conname = 'maker_id_fkey'") == "c"
