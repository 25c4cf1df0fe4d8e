"""Applies the files of a package in processes that are killed at any moment, and goes on with them.

python killed_files.py ROUNDS FOLDER

The settings are those in the environment, of a schema without tables of models; FOLDER is empty. Printed is, as JSON, how many
files were applied when the process was gone. It fails where the tables are not exactly as the files declare in the end.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path

from killing import forgotten, kill, start
from packages import Package
from parts import Engine, parts

from dataflow_service.schema.tables import Column, Index, Schema
from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis.postgres import connect_as_owner, migrate
from nexus_chassis.settings import load

WEIGHT = Column("weight", "bigint", nullable=True)
SIZE = Column("size", "numeric", nullable=False, default="'7'::numeric")
BY_NAME = Index("parts_name_key", ("name",), unique=True)
BY_WEIGHT = Index("parts_weight_idx", ("weight",), unique=False)
VERSIONS: dict[str, Schema] = {
    "initial": parts(),
    "weight": parts(WEIGHT, indexes=[BY_NAME]),
    "index": parts(WEIGHT, indexes=[BY_NAME, BY_WEIGHT]),
    "size": parts(WEIGHT, SIZE, indexes=[BY_NAME, BY_WEIGHT]),
    "retyped": parts(Column("weight", "numeric", nullable=True), SIZE, indexes=[BY_NAME]),
}
ROWS = "INSERT INTO parts (name) SELECT n::text FROM generate_series(1, 20000) AS n"


async def apply(package: Package) -> None:
    """Apply the files, or go on with them."""
    await package.apply()


async def _begin_again(settings: Settings, package: Package) -> None:
    """Leave the first file applied, with rows."""
    async with connect_as_owner(settings) as connection:
        await connection.execute("DROP TABLE IF EXISTS parts; TRUNCATE model_migrations")
        await package.service(["0001_initial"]).apply(destructive=False)
        await connection.execute(ROWS)


async def _finish(settings: Settings, package: Package) -> int:
    """Go on to the end, and check it; return how many files had been applied before."""
    async with connect_as_owner(settings) as connection:
        done: int = await connection.fetchval("SELECT count(*) FROM model_migrations WHERE state = 'applied'")
        await package.apply()
        await package.service().check()
        assert await connection.fetchval("SELECT count(*) FROM parts WHERE size = 7") == 20000
        assert await connection.fetchval("SELECT count(*) FROM model_migrations") == len(VERSIONS)
    last = VERSIONS["retyped"]
    assert (await Engine(settings).plan(last)).steps == ()
    return done


async def _prepare(settings: Settings, package: Package) -> float:
    """Make the service's own tables; return how long the files take undisturbed."""
    await migrate(settings, MIGRATIONS)
    await _begin_again(settings, package)
    started = time.perf_counter()
    await package.apply()
    return time.perf_counter() - started


def main(rounds: int, folder: Path) -> None:
    """Kill as many processes, each in another moment."""
    settings = load(Settings)
    sys.path.insert(0, str(folder))
    package = Package(folder / "killed_parts", settings)
    for words, schema in VERSIONS.items():
        package.make(schema, words)
    longest = asyncio.run(_prepare(settings, package))
    chance, places = random.Random(rounds), Counter[int]()  # noqa: S311 - moments, no secrets
    for _ in range(rounds):
        asyncio.run(_begin_again(settings, package))
        process = start(apply(package))
        time.sleep(chance.uniform(0.1, 1.0) * longest)
        kill(process)
        asyncio.run(forgotten(settings))
        places[asyncio.run(_finish(settings, package))] += 1
    sys.stdout.write(json.dumps(dict(sorted(places.items()))))


main(int(sys.argv[1]), Path(sys.argv[2]))
