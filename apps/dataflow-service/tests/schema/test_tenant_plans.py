"""Plans that begin or end to keep tenants apart."""

from dataclasses import replace

import asyncpg
import pytest
from parts import Engine, parts

from dataflow_service.schema.errors import DestructiveStepsError
from dataflow_service.schema.steps import text
from dataflow_service.schema.tables import TENANT_COLUMN, Column, Index, Schema

WEIGHT = Column("weight", "bigint", nullable=True)
SHARED = parts(WEIGHT, indexes=[Index("parts_name_key", ("name",), unique=True)])


def _apart(*columns: Column) -> Schema:
    schema = parts(*columns, TENANT_COLUMN, indexes=[Index("parts_name_key", ("tenant_id", "name"), unique=True)])
    return {"parts": replace(schema["parts"], key=("tenant_id", "id"), multi_tenant=True)}


APART = _apart(WEIGHT)
CONDITION = "\"tenant_id\" = (SELECT nullif(current_setting('app.tenant', true), ''))"
BEGUN = f"""\
-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ADD COLUMN "tenant_id" text NOT NULL DEFAULT 'default'::text;
-- 2. set default: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ALTER COLUMN "tenant_id" SET DEFAULT {TENANT_COLUMN.default};
-- 3. drop index: lock SHARE UPDATE EXCLUSIVE, outside a transaction
DROP INDEX CONCURRENTLY IF EXISTS "parts_name_key";
-- 4. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("tenant_id", "name");
-- 5. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
CREATE UNIQUE INDEX CONCURRENTLY "parts_next_key" ON "parts" ("tenant_id", "id");
-- 6. set primary key: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" DROP CONSTRAINT "parts_pkey", ADD CONSTRAINT "parts_pkey" PRIMARY KEY USING INDEX "parts_next_key";
-- 7. create policy: lock ACCESS EXCLUSIVE, in a transaction
CREATE POLICY tenant ON "parts" USING ({CONDITION}) WITH CHECK ({CONDITION});
-- 8. keep tenants apart: lock ACCESS EXCLUSIVE, in a transaction
ALTER TABLE "parts" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"""  # noqa: S608 - text of this file


@pytest.fixture
async def shared(engine: Engine, database: asyncpg.Connection) -> Engine:
    """An engine that has made a table that all tenants share, with a hundred rows."""
    await engine.apply(SHARED)
    await database.execute("INSERT INTO parts (name, weight) SELECT 'n' || n, n FROM generate_series(1, 100) AS n")
    return engine


async def _rows(database: asyncpg.Connection, tenant: str) -> int:
    await database.execute("SELECT set_config('app.tenant', $1, false)", tenant)
    number: int = await database.fetchval("SELECT count(*) FROM parts")
    return number


async def test_rows_that_were_shared_belong_to_the_default_tenant(shared: Engine, database: asyncpg.Connection) -> None:
    assert text((await shared.plan(APART)).steps) == BEGUN
    await shared.apply(APART)
    assert (await shared.plan(APART)).steps == ()
    assert [await _rows(database, tenant) for tenant in ("default", "acme", "")] == [100, 0, 0]


async def test_tenants_are_mixed_with_the_flag_only(shared: Engine, database: asyncpg.Connection) -> None:
    await shared.apply(APART)
    with pytest.raises(DestructiveStepsError):
        await shared.apply(SHARED)
    with pytest.raises(DestructiveStepsError):
        await shared.rollback()
    await shared.apply(SHARED, destructive=True)
    assert (await shared.plan(SHARED)).steps == ()
    assert await _rows(database, "acme") == 100


async def test_a_plan_that_keeps_tenants_apart_can_be_rolled_back(shared: Engine, database: asyncpg.Connection) -> None:
    await shared.apply(APART)
    await shared.rollback(destructive=True)
    assert (await shared.plan(SHARED)).steps == ()
    assert await _rows(database, "acme") == 100


async def test_the_rows_of_each_tenant_are_filled(shared: Engine, database: asyncpg.Connection) -> None:
    await shared.apply(APART)
    for tenant in ("acme", "globex"):
        await _rows(database, tenant)
        await database.execute("INSERT INTO parts (name) VALUES ('a'), ('b')")
    required = _apart(Column("weight", "bigint", nullable=False, default="'7'::bigint"))
    await shared.apply(required)
    assert (await shared.plan(required)).steps == ()
    for tenant in ("acme", "globex"):
        await _rows(database, tenant)
        assert await database.fetch("SELECT DISTINCT weight FROM parts") == [(7,)]


async def test_rows_of_any_tenant_are_lost_with_the_flag_only(engine: Engine, database: asyncpg.Connection) -> None:
    await engine.apply(APART)
    await _rows(database, "acme")
    await database.execute("INSERT INTO parts (name) VALUES ('a')")
    with pytest.raises(DestructiveStepsError):
        await engine.rollback()
    await database.execute("DELETE FROM parts")
    await engine.rollback()
    assert await database.fetchval("SELECT to_regclass('parts')") is None


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE parts NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE parts DISABLE ROW LEVEL SECURITY",
        "ALTER POLICY tenant ON parts USING (true)",
        "CREATE POLICY everything ON parts USING (true)",
    ],
)
async def test_a_table_that_no_longer_keeps_tenants_apart_is_found(
    engine: Engine, database: asyncpg.Connection, change: str
) -> None:
    await engine.apply(APART)
    await database.execute(change)
    assert (await engine.status(APART)).pending != ()
