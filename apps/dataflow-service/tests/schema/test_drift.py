"""What people change by hand is reported, and what is not of the models is never touched."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings, serving_models

from nexus_testkit import Issuer

CONDITION = "(tenant_id = ( SELECT NULLIF(current_setting('app.tenant'::text, true), ''::text) AS \"nullif\"))"
KEPT_APART = "enabled and forced, policy tenant alone"
CHECK = "CHECK (\"colour\" = ANY (ARRAY['grey', 'red']::text[]))"
FOREIGN_KEY = 'FOREIGN KEY ("tenant_id", "shelf_id") REFERENCES "shelves" ("tenant_id", "id") DEFERRABLE'
INDEX = 'CREATE INDEX "bolts_name_idx" ON "bolts" ("tenant_id", "name")'
COLOUR = "text NOT NULL DEFAULT 'grey'::text"


def _difference(part: str, name: str, declared: str | None, found: str | None, *, table: str = "bolts") -> Any:  # noqa: ANN401 - any JSON
    return {"table": table, "part": part, "name": name, "declared": declared, "found": found}


def _security(found: str) -> Any:  # noqa: ANN401 - any JSON
    return _difference("row-level security", "bolts", KEPT_APART, found)


DIFFERENCES: dict[str, Any] = {
    "ALTER TABLE bolts DROP COLUMN weight": _difference("column", "weight", "bigint", None),
    "ALTER TABLE bolts ALTER weight TYPE numeric": _difference("column", "weight", "bigint", "numeric"),
    "ALTER TABLE bolts ALTER weight SET DEFAULT 7": _difference("column", "weight", "bigint", "bigint DEFAULT 7"),
    "ALTER TABLE bolts ALTER colour DROP NOT NULL": _difference(
        "column", "colour", COLOUR, COLOUR.replace(" NOT NULL", "")
    ),
    "DROP INDEX bolts_name_idx": _difference("index", "bolts_name_idx", INDEX, None),
    "DROP INDEX bolts_name_idx; CREATE INDEX bolts_name_idx ON bolts (lower(name))": _difference(
        "index", "bolts_name_idx", INDEX, "CREATE INDEX bolts_name_idx ON bolts USING btree (lower(name))"
    ),
    "ALTER TABLE bolts DROP CONSTRAINT colour_texts_2e9d1c3a": _difference(
        "check", "colour_texts_2e9d1c3a", CHECK, None
    ),
    "ALTER TABLE bolts DROP CONSTRAINT shelf_id_fkey": _difference("foreign key", "shelf_id_fkey", FOREIGN_KEY, None),
    "ALTER TABLE units DROP CONSTRAINT units_pkey": _difference(
        "primary key", "units_pkey", "(id)", None, table="units"
    ),
    "ALTER TABLE bolts DISABLE ROW LEVEL SECURITY": _security(f"disabled, policy tenant using {CONDITION}"),
    "ALTER TABLE bolts NO FORCE ROW LEVEL SECURITY": _security(f"enabled, not forced, policy tenant using {CONDITION}"),
    "DROP POLICY tenant ON bolts": _security("enabled and forced"),
    "CREATE POLICY every ON bolts USING (true)": _security(
        f"enabled and forced, policy every using true, policy tenant using {CONDITION}"
    ),
    "ALTER TABLE units ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY": _difference(
        "row-level security", "units", "disabled", "enabled and forced", table="units"
    ),
    "DROP TABLE units": _difference("table", "units", "a table", None, table="units"),
}
NO_DRIFT: dict[str, Any] = {"tables": [], "columns": [], "differences": []}


@pytest.fixture
async def admin(
    make_settings: MakeSettings,
    issuer: Issuer,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client, with the scope of migrations, of a service whose tables were made by a plan."""
    async with serving_models(
        make_settings(models="drifting"), issuer.mint("dataflow-service", {"data:admin"})
    ) as session:
        yield session


async def _drift(admin: aiohttp.ClientSession) -> Any:  # noqa: ANN401 - any JSON
    found = json.loads(await (await admin.get("/v1/migrations")).text())["drift"]
    catalogue = {"attributes", "categories", "documents", "price_items", "price_lists", "products", "suppliers"}
    return {**found, "tables": sorted(set(found["tables"]) - catalogue)}


async def test_tables_as_the_plan_made_them_are_no_drift(admin: aiohttp.ClientSession) -> None:
    assert await _drift(admin) == NO_DRIFT


@pytest.mark.parametrize("statement", DIFFERENCES)
async def test_what_differs_from_the_plan_is_drift(
    admin: aiohttp.ClientSession, database: asyncpg.Connection, statement: str
) -> None:
    await database.execute(statement)
    assert await _drift(admin) == {**NO_DRIFT, "differences": [DIFFERENCES[statement]]}


async def test_what_nobody_declared_is_drift(admin: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await database.execute("CREATE TABLE by_hand (id bigint); ALTER TABLE bolts ADD COLUMN note text")
    assert await _drift(admin) == {"tables": ["by_hand"], "columns": ["bolts.note"], "differences": []}


async def test_an_invalid_index_is_drift_whoever_made_it(
    admin: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO units (name) VALUES ('a'), ('b'); DROP INDEX units_name_key")
    await database.execute("UPDATE units SET name = 'a'")
    for name in ("units_name_key", "units_odd_key"):
        with pytest.raises(asyncpg.UniqueViolationError):
            await database.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON units (name)")
    found = "INVALID CREATE UNIQUE INDEX {} ON units USING btree (name)"
    assert (await _drift(admin))["differences"] == [
        _difference(
            "index",
            "units_name_key",
            'CREATE UNIQUE INDEX "units_name_key" ON "units" ("name")',
            found.format("units_name_key"),
            table="units",
        ),
        _difference("index", "units_odd_key", None, found.format("units_odd_key"), table="units"),
    ]


OTHERS = """
CREATE TABLE by_hand (id bigint PRIMARY KEY, bolt text);
INSERT INTO by_hand VALUES (1, 'kept');
CREATE INDEX by_hand_idx ON by_hand (bolt);
ALTER TABLE by_hand ENABLE ROW LEVEL SECURITY;
CREATE VIEW light AS SELECT id, name FROM units;
CREATE TABLE parted (id bigint) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (9);
INSERT INTO parted VALUES (1);
"""
LOOK = """
SELECT (SELECT array_agg(t.*::text) FROM by_hand AS t), (SELECT array_agg(t.*::text) FROM parted AS t),
       (SELECT array_agg(c.oid::text || c.relname || c.relfilenode || c.relrowsecurity ORDER BY c.relname) FROM pg_class AS c
         WHERE relnamespace = current_schema()::regnamespace
           AND relname ~ '^(by_hand|light|parted|products|change|schema_migrations)')
"""


async def test_tables_that_are_not_of_the_models_are_never_touched(
    admin: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute(OTHERS)
    before = await database.fetchrow(LOOK)
    await database.execute("DROP INDEX bolts_name_idx; ALTER TABLE bolts DROP COLUMN weight")
    plan = json.loads(await (await admin.post("/v1/migrations/plan")).text())
    assert [step["table"] for step in plan["steps"]] == ["bolts", "bolts"]
    body = {"checksum": plan["checksum"], "destructive": True}
    assert (await admin.post("/v1/migrations/apply", json=body)).status == 200
    for _ in range(2):
        assert (await admin.post("/v1/migrations/rollback", json={"destructive": True})).status in {200, 409}
    assert await database.fetchrow(LOOK) == before
