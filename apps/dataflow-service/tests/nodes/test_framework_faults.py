"""Faults of the framework by their numbers in dataflow.md: each is shown on it as it is, and then to be impossible here."""

import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings
from kailash.nodes.base import NodeRegistry  # type: ignore[import-untyped]
from parts import Engine, indexes_of_parts, parts

from dataflow_service.embedded import open_nodes
from dataflow_service.records.errors import InvalidQueryError, InvalidRowError, NotUniqueError
from dataflow_service.registry import loader
from dataflow_service.schema.desired import desired_schema
from dataflow_service.schema.migration import State
from dataflow_service.schema.tables import SERVICE_TABLES, Column, Index
from dataflow_service.settings import MIGRATIONS
from nexus_chassis.principal import Principal
from nexus_testkit import ServiceProcess
from nexus_testkit.schemas import Superuser
from nexus_testkit.tcp_proxy import TcpProxy

TESTS = Path(__file__).parent.parent
ME = Principal("me", "test", frozenset({"data:read", "data:write"}), "", 0, "")
TABLES = """
DROP TABLE IF EXISTS cables, jobs;
CREATE TABLE cables (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL CONSTRAINT cables_name_key UNIQUE,
    price double precision NOT NULL, exact numeric NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    row_version bigint NOT NULL DEFAULT 1
);
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, config jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    row_version bigint NOT NULL DEFAULT 1
)
"""
MOMENTS = ("created_at", "updated_at")
EXACT = "0.1234567890123456789"


def _raw(url: str, kind: str, folder: Path) -> dict[str, Any]:
    """What the framework does by itself, in a process and a folder of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    command = [sys.executable, str(TESTS / "nodes/raw_framework.py"), url, kind]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def raw(_superuser: Superuser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the framework's nodes do."""
    with _superuser.temporary_schema() as url:
        return _raw(url, "nodes", tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def raw_schema(_superuser: Superuser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the framework does with tables."""
    with _superuser.temporary_schema() as url:
        return _raw(url, "schema", tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def raw_around(_superuser: Superuser, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the framework does around its nodes."""
    with _superuser.temporary_schema() as url:
        return _raw(url, "around", tmp_path_factory.mktemp("raw"))


@pytest.fixture
async def ours(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    model_packages: None,  # noqa: ARG001 - needed for its effect
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> AsyncIterator[asyncpg.Connection]:
    """A look into the database on which nodes called by `_run` act, in an empty folder."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    await database.execute(TABLES)
    async with open_nodes(make_settings(models="named_like_inputs")) as nodes:
        # Fixtures and tests have contexts of their own, so each call opens the session.
        monkeypatch.setattr(sys.modules[__name__], "_nodes", nodes)
        yield database
    await database.execute("DROP TABLE cables, jobs")


_nodes: Any = None


async def _run(node: str, /, **inputs: object) -> dict[str, Any]:
    with _nodes.acting_for(ME):
        outputs: dict[str, Any] = await NodeRegistry.get(node)().execute_async(**inputs)
        return outputs


async def test_1_the_name_of_a_field_in_a_filter_is_never_sql(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    assert (raw["none"], raw["key"]) == ({"count": 0}, {"count": 3})  # the key selects every row
    await _run("CableCreateNode", name="x")
    for node in ("CableCountNode", "CableListNode", "CableBulkDeleteNode"):
        with pytest.raises(InvalidQueryError, match="is no field of Cable"):
            await _run(node, filter={'name" IS NOT NULL OR "name': "none"})
    assert await ours.fetchval("SELECT count(*) FROM cables") == 1


async def test_2_texts_are_stored_as_they_are_sent(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    texts = ["Select from our catalogue", "drop table, round", "a; delete b", "1 or 1=1", "/* x */ --"]
    assert raw["text"] == ["SELECT_FROM our catalogue", "DROP_TABLE, round"]
    for text in texts:
        assert (await _run("CableCreateNode", name=text))["name"] == text
        assert await _run("CableCountNode", filter={"name": text}) == {"count": 1}
    await _run("CableBulkCreateNode", data=[{"name": f"{text} again"} for text in texts])
    changed = await _run("CableUpdateNode", id=1, fields={"name": f"{texts[0]} once more"})
    assert changed["name"] == f"{texts[0]} once more"
    stored = [name for (name,) in await ours.fetch("SELECT name FROM cables ORDER BY id")]
    assert stored == [f"{texts[0]} once more", *texts[1:], *(f"{text} again" for text in texts)]


async def test_3_a_row_costs_no_more_in_a_larger_bulk(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    small, large = raw["CPU per row"]  # of 500 and of 4,000 rows
    assert large > 2 * small

    async def per_row(number: int) -> float:
        rows = [{"name": f"{number}-{next(names)}"} for _ in range(number)]
        started = time.process_time()
        await _run("CableBulkCreateNode", data=rows)
        return (time.process_time() - started) / number

    names = itertools.count()
    await per_row(10)
    rounds = [(await per_row(125), await per_row(1000)) for _ in range(3)]
    small, large = map(min, zip(*rounds, strict=True))
    assert large < 3 * small  # quadratic, it were 8
    assert await ours.fetchval("SELECT count(*) FROM cables") == 10 + 3 * 1125


async def test_4_a_bulk_creates_all_rows_or_none(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    assert (raw["bulk"]["processed"], raw["bulk rows"]) == (0, 2000)  # "0 processed", and 2000 rows stay
    rows = [{"name": f"n{min(number, 998)}"} for number in range(1000)]
    with pytest.raises(NotUniqueError):
        await _run("CableBulkCreateNode", data=rows)
    assert await ours.fetchval("SELECT count(*) FROM cables") == 0
    assert (await _run("CableBulkCreateNode", data=rows[:999]))["created"] == 999
    assert await ours.fetchval("SELECT count(*) FROM cables") == 999


async def test_5_what_is_read_is_what_is_stored(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    assert raw["count before and after"] == [3, 3]  # of rows that were deleted between
    await _run("CableCreateNode", name="x")
    assert (await _run("CableCountNode"), len((await _run("CableListNode"))["items"])) == ({"count": 1}, 1)
    await ours.execute("DELETE FROM cables")
    assert (await _run("CableCountNode"), len((await _run("CableListNode"))["items"])) == ({"count": 0}, 0)


async def test_6_a_transaction_covers_all_that_is_done_in_it(
    raw: dict[str, Any], client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    assert raw["rows of what was undone"] == 1  # what express did stays
    create = {"node": "ProductCreateNode", "parameters": {"name": "x", "sku": "1"}}
    many = {"node": "ProductBulkCreateNode", "parameters": {"data": [{"name": "y"}]}}
    response = await client.post("/v1/transactions", json={"operations": [create, many, create]})
    assert (response.status, (await response.json())["type"]) == (409, "urn:nexus:problem:not-unique")
    assert await database.fetchval("SELECT count(*) FROM products") == 0
    assert (await client.post("/v1/transactions", json={"operations": [create, many]})).status == 200
    assert await database.fetchval("SELECT count(*) FROM products") == 2


async def test_7_an_order_is_followed(
    raw: dict[str, Any],
    ours: asyncpg.Connection,  # noqa: ARG001 - opens the nodes
) -> None:
    assert (raw["ordered"], raw["ordered back"]) == (["a", "c", "b"], ["a", "c", "b"])  # by "name" and by "-name"
    await _run("CableBulkCreateNode", data=[{"name": name} for name in "bca"])
    for order, names in (("id", "bca"), ("-id", "acb"), ("name", "abc"), ("-name", "cba")):
        items = (await _run("CableListNode", order_by=[order]))["items"]
        assert [row["name"] for row in items] == list(names)


@pytest.mark.usefixtures("model_packages")
async def test_8_a_plan_drops_nothing_that_models_did_not_make_and_reports_what_it_did(
    raw_schema: dict[str, Any], engine: Engine, database: asyncpg.Connection
) -> None:
    assert "DROP TABLE IF EXISTS orders;" in raw_schema["plan"]
    assert all(any(name in step for step in raw_schema["plan"]) for name in MOMENTS)
    assert (raw_schema["applied"], raw_schema["rolled back"]) == (False, False)
    await database.execute("CREATE TABLE orders (id bigint PRIMARY KEY)")
    declared = desired_schema(loader.load("named_like_inputs"))
    assert (await engine.apply(declared)).state is State.APPLIED
    await database.execute("ALTER TABLE cables ADD COLUMN remark text")
    assert (await engine.plan(declared)).steps == ()
    assert (await engine.apply({**declared, **parts()})).state is State.APPLIED
    assert await _tables(database) == {"cables", "jobs", "orders", "parts"}
    assert (await engine.rollback()).state is State.ROLLED_BACK
    assert await _tables(database) == {"cables", "jobs", "orders"}
    assert {"remark", *MOMENTS} <= set(await _columns(database, "cables"))


async def _tables(database: asyncpg.Connection) -> set[str]:
    found = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema")
    return {name for (name,) in found} - SERVICE_TABLES


async def _columns(database: asyncpg.Connection, table: str) -> dict[str, str]:
    statement = (
        "SELECT attname, format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END "
        "FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return dict(map(tuple, await database.fetch(statement, table)))


async def test_9_every_change_of_a_model_is_migrated(
    raw_schema: dict[str, Any], engine: Engine, database: asyncpg.Connection
) -> None:
    found = dict(raw_schema["columns"])  # for a model with name: int and width: int, and without price and exact
    assert (found["name"], found["width"], found["price"]) == ("text", "integer", "double precision")
    await engine.apply(parts(Column("weight", "bigint", nullable=True), Column("colour", "text", nullable=True)))
    await database.execute("INSERT INTO parts (name, weight) VALUES ('a', 5), ('b', NULL)")
    weight = Column("weight", "numeric", nullable=False, default="'7'::numeric")
    index = Index("parts_name_key", ("name",), unique=True)
    changed = parts(weight, Column("width", "bigint", nullable=True), indexes=[index])
    await engine.apply(changed, destructive=True)
    assert await _columns(database, "parts") == {
        "id": "bigint not null",
        "name": "text not null",
        "weight": "numeric not null",
        "width": "bigint",
    }
    assert ("parts_name_key", True) in await indexes_of_parts(database)
    assert [tuple(row) for row in await database.fetch("SELECT name, weight FROM parts ORDER BY id")] == [
        ("a", Decimal(5)),
        ("b", Decimal(7)),
    ]
    assert (await engine.plan(changed)).steps == ()


async def test_10_health_is_that_of_the_database(
    raw_around: dict[str, Any], client: aiohttp.ClientSession, postgres_proxy: TcpProxy
) -> None:
    assert (raw_around["health"], raw_around["health without a server"]) == ("healthy", "healthy")
    assert (await client.get("/health")).status == 200
    await postgres_proxy.cut()
    await asyncio.sleep(1.1)  # longer than the answer is cached
    assert (await client.get("/health")).status == 503


async def test_11_processes_that_start_together_do_not_wait_for_each_other(
    raw_schema: dict[str, Any], environment: dict[str, str], database: asyncpg.Connection
) -> None:
    assert raw_schema["locked"] == [True] + [False] * 5  # of six that migrate, five are refused and try again later
    alone = await asyncio.to_thread(_seconds_to_start, environment, 1)
    await database.execute(f"DROP TABLE products, {', '.join(SERVICE_TABLES)}, schema_migrations CASCADE")
    together = await asyncio.to_thread(_seconds_to_start, environment, 6)
    assert together < 3 * alone * max(1.0, 6 / (os.process_cpu_count() or 1))  # each needs a processor for a while
    applied = [name for (name,) in await database.fetch("SELECT name FROM schema_migrations ORDER BY 1")]
    assert applied == sorted(path.name for path in MIGRATIONS.iterdir())


def _seconds_to_start(environment: dict[str, str], number: int) -> float:
    """How long it takes until all of so many processes of the service answer."""
    started = time.monotonic()
    processes = [ServiceProcess(["-m", "dataflow_service"], environment) for _ in range(number)]
    for process in processes:
        process.wait_until_it_answers()
    seconds = time.monotonic() - started
    assert [process.stop()[0] for process in processes] == [0] * number
    return seconds


async def test_12_nothing_is_written_to_the_working_directory(
    raw_around: dict[str, Any],
    ours: asyncpg.Connection,  # noqa: ARG001 - opens the nodes
) -> None:
    assert (raw_around["files before"], raw_around["files"]) == ([], ["migrations"])
    await _run("CableCreateNode", name="x")
    assert await asyncio.to_thread(lambda: list(Path.cwd().iterdir())) == []


async def test_13_no_values_select_no_rows(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    assert "syntax error at or near" in raw["in nothing"]["raised"]
    await _run("CableCreateNode", name="x")
    assert await _run("CableListNode", filter={"id": {"$in": []}}) == {"items": [], "next": None}
    assert await _run("CableBulkDeleteNode", filter={"id": {"$in": []}}) == {"deleted": 0, "ids": []}
    assert await ours.fetchval("SELECT count(*) FROM cables") == 1


async def test_13_a_condition_of_conditions_selects_the_rows_of_each(
    raw: dict[str, Any],
    ours: asyncpg.Connection,  # noqa: ARG001 - opens the nodes
) -> None:
    assert raw["or"]["raised"].endswith('column "$or" does not exist')
    await _run("CableBulkCreateNode", data=[{"name": name} for name in "abc"])
    page = await _run("CableListNode", filter={"$or": [{"name": "a"}, {"name": "b"}]}, fields=["name", "exact"])
    assert page == {"items": [{"name": "a", "exact": "0"}, {"name": "b", "exact": "0"}], "next": None}


async def test_14_templates_are_resolved_in_the_configuration_and_never_in_data(
    raw: dict[str, Any], ours: asyncpg.Connection
) -> None:
    text = "Cable ${price}"
    assert raw["template"] == ["Cable 2.0"]
    assert (await _run("CableCreateNode", name=text, price=2.0))["name"] == text
    await _run("CableBulkCreateNode", data=[{"name": f"{text} of many", "price": 2.0}])
    with _nodes.acting_for(ME):
        configured = NodeRegistry.get("CableUpdateNode")(id=1, fields={"name": "${label}"})
        assert (await configured.execute_async(label=f"{text}, ${{label}}"))["name"] == f"{text}, ${{label}}"
    stored = [name for (name,) in await ours.fetch("SELECT name FROM cables ORDER BY id")]
    assert stored == [f"{text}, ${{label}}", f"{text} of many"]


async def test_15_a_field_named_config_is_a_field_as_any(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    assert raw["config rows"] == [["unpacked", '{"name": "unpacked"}']]
    config = {"name": "unpacked", "id": 9, "unknown": [1]}
    row = await _run("JobCreateNode", name="sent", config=config)
    assert (row["name"], row["config"]) == ("sent", config)
    with _nodes.acting_for(ME):
        await NodeRegistry.get("JobUpdateNode")(id=1, config={"name": "set"}).execute_async()
    assert list(await ours.fetchrow("SELECT name, config::text FROM jobs")) == ["sent", '{"name": "set"}']


async def test_16_a_decimal_keeps_its_digits(raw: dict[str, Any], ours: asyncpg.Connection) -> None:
    assert raw["decimal"] == ["float", "0.12345678901234568"]
    row = await _run("CableCreateNode", name="given", exact=Decimal(EXACT))
    with _nodes.acting_for(ME):
        node = NodeRegistry.get("CableCreateNode")(name="configured", exact=Decimal(EXACT))
        assert [row["exact"], (await node.execute_async())["exact"]] == [EXACT, EXACT]
    with pytest.raises(InvalidRowError, match="exact Input should be an instance of Decimal"):
        await _run("CableCreateNode", name="rounded", exact=float(EXACT))
    assert await ours.fetch("SELECT exact::text FROM cables") == [(EXACT,), (EXACT,)]
    job = await _run("JobCreateNode", name="x", config={"exact": Decimal(EXACT)})
    assert job["config"] == {"exact": Decimal(EXACT)}
    assert await ours.fetchval("SELECT config->>'exact' FROM jobs") == EXACT
