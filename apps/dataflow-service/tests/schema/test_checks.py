"""The check of a column that has declared texts only: made, changed and dropped while rows are used."""

import asyncpg
import pytest
from parts import Engine, parts

from dataflow_service.registry.model import Field
from dataflow_service.schema.desired import check_of
from dataflow_service.schema.errors import StepFailedError
from dataflow_service.schema.steps import text
from dataflow_service.schema.tables import Check, Column, Schema

COLOUR = Column("colour", "text", nullable=True)


def _check(*texts: str, sql_type: str = "text") -> Check:
    return check_of(Field("colour", sql_type, required=False, nullable=True, texts=texts))


OLD, NEW = _check("red", "it's"), _check("red", "it's", "blue")
PLAIN, WITH_OLD, WITH_NEW = parts(COLOUR), parts(COLOUR, checks=[OLD]), parts(COLOUR, checks=[NEW])

CREATED = f"""\
-- 1. create table: lock none, in a transaction
CREATE TABLE "parts" ("id" bigint GENERATED ALWAYS AS IDENTITY, "name" text NOT NULL, "colour" text, PRIMARY KEY ("id"), \
CONSTRAINT "{OLD.name}" CHECK ("colour" = ANY (ARRAY['it''s', 'red']::text[])));"""
ADDED = f"""\
-- 1. add check: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD CONSTRAINT "{OLD.name}" CHECK ("colour" = ANY (ARRAY['it''s', 'red']::text[])) NOT VALID;
-- 2. validate texts: lock SHARE UPDATE EXCLUSIVE, in a transaction of its own, reads the table
ALTER TABLE "parts" VALIDATE CONSTRAINT "{OLD.name}";"""
CHANGED = f"""\
-- 1. add check: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD CONSTRAINT "{NEW.name}" CHECK ("colour" = ANY (ARRAY['blue', 'it''s', 'red']::text[])) NOT VALID;
-- 2. validate texts: lock SHARE UPDATE EXCLUSIVE, in a transaction of its own, reads the table
ALTER TABLE "parts" VALIDATE CONSTRAINT "{NEW.name}";
-- 3. drop check: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" DROP CONSTRAINT "{OLD.name}";"""
DROPPED = f"""\
-- 1. drop check: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" DROP CONSTRAINT "{OLD.name}";"""


async def _apply(engine: Engine, schema: Schema, expected: str) -> None:
    """Apply a plan without the flag; nothing is left to do then."""
    assert text((await engine.plan(schema)).steps) == expected
    await engine.apply(schema)
    assert (await engine.plan(schema)).steps == ()


async def _checks(database: asyncpg.Connection) -> list[tuple[str, bool]]:
    found = await database.fetch(
        "SELECT conname::text, convalidated FROM pg_constraint WHERE conrelid = 'parts'::regclass AND contype = 'c' "
        "ORDER BY conname"
    )
    return [tuple(row) for row in found]


async def _insert(database: asyncpg.Connection, *colours: str | None) -> None:
    await database.executemany("INSERT INTO parts (name, colour) VALUES ('n', $1)", [(colour,) for colour in colours])


def test_the_order_in_which_texts_are_declared_changes_nothing() -> None:
    assert _check("red", "it's") == _check("it's", "red")
    assert len({check.name for check in (OLD, NEW, _check("red", "it's", sql_type="text[]"))}) == 3


def test_the_name_of_a_check_fits_whatever_its_column_is_called() -> None:
    long = check_of(Field("c" * 63, "text", required=False, nullable=True, texts=("a",)))
    assert len(long.name) <= 63
    assert long.name.partition("_texts_")[0] != "c" * 16


async def test_a_new_table_comes_with_its_checks(engine: Engine, database: asyncpg.Connection) -> None:
    await _apply(engine, WITH_OLD, CREATED)
    await _insert(database, "red", "it's", None)
    with pytest.raises(asyncpg.CheckViolationError):
        await _insert(database, "blue")


async def test_a_check_is_added_to_a_table_with_rows(engine: Engine, database: asyncpg.Connection) -> None:
    await engine.apply(PLAIN)
    await _insert(database, "red", None)
    await _apply(engine, WITH_OLD, ADDED)
    assert await _checks(database) == [(OLD.name, True)]
    await engine.rollback()
    assert await _checks(database) == []


async def test_more_texts_and_fewer_are_a_change_that_loses_nothing(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(WITH_OLD)
    await _insert(database, "red", "it's", None)
    await _apply(engine, WITH_NEW, CHANGED)
    await _insert(database, "blue")
    with pytest.raises(StepFailedError) as caught:
        await engine.apply(WITH_OLD)
    query = 'SELECT DISTINCT "colour" FROM "parts"'
    assert str(caught.value) == (
        f'`ALTER TABLE "parts" VALIDATE CONSTRAINT "{OLD.name}"` failed: rows of "parts" have texts in "colour" that are '
        f"not declared; find them by `{query}`. "
        "1 of 3 steps are in effect: remove the cause, then apply the same plan again, or roll it back."
    )
    assert await _checks(database) == sorted([(OLD.name, False), (NEW.name, True)])
    await database.execute("UPDATE parts SET colour = 'red' WHERE colour = 'blue'")
    await engine.apply(WITH_OLD)
    assert await _checks(database) == [(OLD.name, True)]


async def test_rolling_back_a_change_restores_the_check_that_was_there(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(WITH_OLD)
    before = (await engine.plan(WITH_OLD)).tables
    await engine.apply(WITH_NEW)
    await engine.rollback()
    after = await engine.plan(WITH_OLD)
    assert (after.steps, after.tables) == ((), before)
    await engine.apply(WITH_NEW)
    await _insert(database, "blue")
    with pytest.raises(StepFailedError, match='have texts in "colour" that are not declared; find them by'):
        await engine.rollback()
    await database.execute("DELETE FROM parts")
    await engine.rollback()
    assert await _checks(database) == [(OLD.name, True)]


async def test_a_check_that_no_model_declares_any_longer_is_dropped(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(WITH_OLD)
    await _apply(engine, PLAIN, DROPPED)
    await _insert(database, "green")
    await engine.rollback()
    assert await _checks(database) == [(OLD.name, False)]
    with pytest.raises(asyncpg.CheckViolationError):
        await _insert(database, "green")
    validation = ADDED.replace("-- 2.", "-- 1.").splitlines()[2:]
    assert text((await engine.plan(WITH_OLD)).steps).splitlines() == validation


async def test_a_column_that_becomes_another_type_loses_its_check_first(
    engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(WITH_OLD)
    schema = parts(Column("colour", "text[]", nullable=True), checks=[_check("red", sql_type="text[]")])
    assert [step.action for step in (await engine.apply(schema, destructive=True)).steps] == [
        "drop check",
        "change type",
        "add check",
        "validate texts",
    ]
    await database.execute("INSERT INTO parts (name, colour) VALUES ('n', '{red,red}'), ('n', '{}'), ('n', NULL)")
    for other in ("{red,blue}", "{NULL}"):
        with pytest.raises(asyncpg.CheckViolationError):
            await database.execute("INSERT INTO parts (name, colour) VALUES ('n', $1::text::text[])", other)
    assert (await engine.plan(schema)).steps == ()


async def test_a_check_that_nobody_declared_is_left_alone(engine: Engine, database: asyncpg.Connection) -> None:
    await engine.apply(WITH_OLD)
    await database.execute("ALTER TABLE parts ADD CONSTRAINT by_hand CHECK (name <> '' AND colour <> name)")
    assert (await engine.plan(WITH_OLD)).steps == ()
    await engine.apply(WITH_NEW)
    await engine.apply(PLAIN)
    assert await _checks(database) == [("by_hand", True)]
    status = await engine.status(PLAIN)
    assert (status.unknown_tables, status.unknown_columns) == ([], [])
