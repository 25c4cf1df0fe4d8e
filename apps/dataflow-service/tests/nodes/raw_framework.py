"""Shows faults of the framework as it is, in a process of its own: prints what it does with each, as JSON.

python raw_framework.py URL nodes    the faults of nodes, on tables that it makes
python raw_framework.py URL schema   what it does with tables that are there
python raw_framework.py URL around   what it says about a server that is away, and the files it writes
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from dataflow import DataFlow  # type: ignore[import-untyped]  # the framework has no types
from dataflow.migrations.auto_migration_system import ColumnDefinition, TableDefinition  # type: ignore[import-untyped]  # the framework has no types
from dataflow.migrations.concurrent_access_manager import MigrationLockManager  # type: ignore[import-untyped]  # the framework has no types

from nexus_testkit.tcp_proxy import TcpProxy

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

OPTIONS = {"auto_migrate": False, "migration_enabled": False, "enable_model_persistence": False}


TABLES = """
DROP TABLE IF EXISTS cables, jobs;
CREATE TABLE cables (
    id bigserial PRIMARY KEY, name text NOT NULL, price float8 DEFAULT 0, exact numeric DEFAULT 0,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE jobs (
    id bigserial PRIMARY KEY, name text NOT NULL, config jsonb NOT NULL,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
)
"""


def _database(url: str, **options: Any) -> Any:  # noqa: ANN401 - the framework has no types
    return DataFlow(url, **{**OPTIONS, "cache_enabled": False, "pool_size": 1, "max_overflow": 0, **options})


def _models(db: Any) -> None:  # noqa: ANN401 - the same
    @db.model
    class Cable:
        id: int
        name: str
        price: float = 0.0
        exact: Decimal = Decimal(0)

    @db.model
    class Job:
        id: int
        name: str
        config: dict[str, Any]


async def _outcome(db: Any, node: str, **inputs: object) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return await db._nodes[node]().execute_async(**inputs)  # noqa: SLF001 - as the framework's own tests do
    except Exception as error:  # noqa: BLE001 - whatever it is, is what the framework does
        return {"raised": f"{type(error).__name__}: {error}"[:300]}


async def _faults(url: str) -> dict[str, Any]:
    db = _database(url)
    _models(db)
    rows = await asyncpg.connect(url)
    await rows.execute(TABLES)

    async def names() -> list[str]:
        return [row["name"] for row in await rows.fetch("SELECT name FROM cables ORDER BY id")]

    found: dict[str, Any] = {}
    for name in ("Select from our catalogue", "drop table, round"):
        await _outcome(db, "CableCreateNode", name=name)
    found["text"] = await names()
    await rows.execute("TRUNCATE cables")
    await _outcome(db, "CableCreateNode", name="Cable ${price}", price=2.0)
    found["template"] = await names()
    found["config"] = await _outcome(db, "JobCreateNode", name="sent", config={"name": "unpacked"})
    found["config rows"] = [list(row) for row in await rows.fetch("SELECT name, config::text FROM jobs")]
    await rows.execute("TRUNCATE cables; INSERT INTO cables (name) VALUES ('b'), ('c'), ('a')")
    found["key"] = await _outcome(db, "CableCountNode", filter={'name" IS NOT NULL OR "name': "none"})
    found["none"] = await _outcome(db, "CableCountNode", filter={"name": "none"})
    found["in nothing"] = await _outcome(db, "CableListNode", filter={"name": {"$in": []}})
    found["or"] = await _outcome(db, "CableListNode", filter={"$or": [{"name": "a"}, {"name": "b"}]})
    node = db._nodes["CableCreateNode"](price=Decimal("0.1234567890123456789"))  # noqa: SLF001 - as above
    found["decimal"] = [type(node.config["price"]).__name__, str(node.config["price"])]
    found["ordered"] = [row["name"] for row in await db.express.list("Cable", order_by="name")]
    found["ordered back"] = [row["name"] for row in await db.express.list("Cable", order_by="-name")]
    cached = _database(url, cache_enabled=True)
    _models(cached)
    before = await cached.express.count("Cable")
    await rows.execute("DELETE FROM cables")
    found["count before and after"] = [before, await cached.express.count("Cable")]
    await rows.execute("CREATE UNIQUE INDEX ON cables (name)")
    many = [{"name": f"n{min(number, 2400)}", "price": 1.0} for number in range(2402)]
    found["bulk"] = await _outcome(db, "CableBulkCreateNode", data=many)
    found["bulk rows"] = await rows.fetchval("SELECT count(*) FROM cables")
    await rows.execute("DROP INDEX cables_name_idx; TRUNCATE cables")
    await _undone(db)
    found["rows of what was undone"] = await rows.fetchval("SELECT count(*) FROM cables")
    found["CPU per row"] = [await _cpu_per_row(db, number) for number in (100, 500, 4000)][1:]
    await rows.execute("DROP TABLE cables, jobs")
    await rows.close()
    return found


async def _undone(db: Any) -> None:  # noqa: ANN401 - the framework has no types
    with contextlib.suppress(asyncio.CancelledError):
        async with db.transactions.begin():
            await db.express.create("Cable", {"name": "x", "price": 1.0})
            raise asyncio.CancelledError


async def _cpu_per_row(db: Any, number: int) -> float:  # noqa: ANN401 - the framework has no types
    rows = [{"name": f"n{place}", "price": 1.0} for place in range(number)]
    started = time.process_time()
    assert (await _outcome(db, "CableBulkCreateNode", data=rows, batch_size=number))["processed"] == number
    return (time.process_time() - started) / number


async def _schema(url: str) -> dict[str, Any]:
    rows = await asyncpg.connect(url)
    await rows.execute(f"{TABLES}; CREATE TABLE orders (id bigint PRIMARY KEY)")
    db = _database(url, migration_enabled=True)

    class Cable:
        id: int
        name: int
        width: int = 0

    db.model(Cable)
    await db.initialize()
    system = db._migration_system  # noqa: SLF001 - what is shown
    current = await _tables(rows)
    columns = db._convert_fields_to_columns(db.get_model_fields("Cable"))  # noqa: SLF001 - as auto_migrate does
    target = db._convert_dict_schema_to_table_definitions({"cables": {"columns": columns}})  # noqa: SLF001 - as above
    plan = system.generator.generate_migration(system.inspector.compare_schemas(current, target))
    locks = [MigrationLockManager(system._migration_lock_manager.connection_manager) for _ in range(6)]  # noqa: SLF001 - as above
    found = {
        "plan": [operation.sql_up for operation in plan.operations],
        "applied": (await db.auto_migrate(interactive=False, auto_confirm=True))[0],
        "rolled back": await system.rollback_migration(),
        "locked": [await lock.acquire_migration_lock("tables") for lock in locks],
    }
    await db._reconcile_columns_async("Cable", db.get_model_fields("Cable"), url)  # noqa: SLF001 - what the first use of a model does
    found["columns"] = [(column.name, column.type) for column in (await _tables(rows))["cables"].columns]
    return found


async def _tables(rows: asyncpg.Connection) -> dict[str, Any]:
    """The tables as the framework describes them, which its own reading finds in the schema `public` alone."""
    tables: dict[str, Any] = {}
    for table, name, kind in await rows.fetch(COLUMNS):
        tables.setdefault(table, TableDefinition(table)).columns.append(ColumnDefinition(name, kind))
    return tables


COLUMNS = """
SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = current_schema
AND table_name IN ('cables', 'orders') ORDER BY table_name, ordinal_position
"""


async def _around(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with TcpProxy(url) as proxy:
        parts = urlsplit(url)
        address = urlsplit(proxy.instead_of(url)).netloc.rpartition("@")[2]
        db = _database(parts._replace(netloc=f"{parts.username}:{parts.password}@{address}").geturl())
        _models(db)
        found["health"] = (await asyncio.to_thread(db.health_check))["status"]
        await proxy.cut()
        found["health without a server"] = (await asyncio.to_thread(db.health_check))["status"]
    found["files before"] = await asyncio.to_thread(_files)
    await _database(url, migration_enabled=True).initialize()
    found["files"] = await asyncio.to_thread(_files)
    return found


def _files() -> list[str]:
    return [path.name for path in Path().iterdir()]


async def _main(url: str, kind: str) -> None:
    found = await {"nodes": _faults, "schema": _schema, "around": _around}[kind](url)
    sys.stdout.write(json.dumps(found, default=str))
    sys.stdout.flush()
    os._exit(0)  # the framework's threads and pools stay behind


asyncio.run(_main(sys.argv[1], sys.argv[2]))
