"""Shows faults of the framework as it is, in a process of its own: prints what it does with each, as JSON.

python raw_framework.py URL          the faults of nodes, on the tables that the test made
python raw_framework.py URL health   what it says about a server that is away
"""

import asyncio
import json
import logging
import os
import sys
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from dataflow import DataFlow  # type: ignore[import-untyped]
from tcp_proxy import Proxy

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
    await rows.execute("DROP TABLE cables, jobs")
    await rows.close()
    return found


async def _around(url: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async with Proxy(url) as proxy:
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
    found = await (_faults(url) if kind == "nodes" else _around(url))
    sys.stdout.write(json.dumps(found, default=str))
    sys.stdout.flush()
    os._exit(0)  # the framework's threads and pools stay behind


asyncio.run(_main(sys.argv[1], sys.argv[2]))
