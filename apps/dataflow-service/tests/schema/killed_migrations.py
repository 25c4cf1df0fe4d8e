"""Applies a plan in processes that are killed at any moment, and goes on with it or rolls it back.

python killed_migrations.py ROUNDS

The settings are those in the environment, of a schema without tables of models. The plan has steps in and outside transactions:
it fills rows in batches, makes and drops indexes CONCURRENTLY, converts a column, validates checks and makes a table. What takes it
to its end, or back, is killed once in a while as well. Printed is, as JSON, how far the plan was when the first process was gone.
It fails where the tables are not exactly as declared in the end, or rows are not.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine

from killing import forgotten, kill, start
from parts import Engine, parts

from dataflow_service.registry.model import Field
from dataflow_service.schema import executor
from dataflow_service.schema.desired import check_of
from dataflow_service.schema.migration import Migration, State
from dataflow_service.schema.tables import Column, Index, Schema, Table
from dataflow_service.settings import MIGRATIONS, Settings
from nexus_chassis.postgres import connect_as_owner, migrate
from nexus_chassis.settings import load

ROWS = 4000
SEVEN = "'7'::bigint"
BEFORE = parts(
    Column("weight", "bigint", nullable=True, default=SEVEN),
    Column("size", "bigint", nullable=True),
    Column("colour", "text", nullable=True),
    indexes=[Index("parts_size_idx", ("size",), unique=False)],
)
AFTER: Schema = {
    **parts(
        Column("weight", "bigint", nullable=False, default=SEVEN),
        Column("size", "numeric", nullable=True),
        Column("colour", "text", nullable=True),
        Column("length", "bigint", nullable=True),
        indexes=[Index("parts_name_key", ("name",), unique=True), Index("parts_weight_idx", ("weight",), unique=False)],
        checks=[check_of(Field("colour", "text", required=False, nullable=True, texts=("blue", "red")))],
    ),
    "crates": Table("crates", {"id": Column("id", "bigint", nullable=False)}, {}),
}
# Few rows are on a page, so that they are filled in several batches.
FILL = f"""
TRUNCATE parts;
INSERT INTO parts (name, weight, size, colour)
SELECT n || repeat('-', 500), nullif(n % 2, 0), n, 'red' FROM generate_series(1, {ROWS}) AS n
"""  # noqa: S608 - text of this file
CONTENT = """
SELECT count(*) AS rows, count(DISTINCT name) AS names, sum(size)::bigint AS sizes,
       bool_and(coalesce(weight, 7) = CASE split_part(name, '-', 1)::int % 2 WHEN 1 THEN 1 ELSE 7 END) AS weights
  FROM parts
"""
UNUSABLE = """
SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
 WHERE relnamespace = current_schema()::regnamespace AND NOT (indisvalid AND indisready AND indislive)
"""

type Work = Callable[[Engine], Coroutine[None, None, None]]


async def apply(engine: Engine) -> None:
    """Apply the plan, or go on with it."""
    await engine.apply(AFTER, destructive=True)


async def roll_back(engine: Engine) -> None:
    """Roll the plan back, where some of it is in effect."""
    if (await _last(engine)).declared.tables.keys() == AFTER.keys():
        await engine.rollback(destructive=True)


async def _last(engine: Engine) -> Migration:
    """The last plan that was begun and not rolled back."""
    found = (await engine.status(AFTER)).migrations
    return next(migration for migration in found if migration.state is not State.ROLLED_BACK)


async def _prepare(settings: Settings) -> None:
    await migrate(settings, MIGRATIONS)
    async with connect_as_owner(settings) as connection:
        await connection.execute("DROP TABLE products CASCADE")
    await Engine(settings).apply(BEFORE)


async def _fill(settings: Settings) -> None:
    async with connect_as_owner(settings) as connection:
        await connection.execute(FILL)


async def _place(engine: Engine) -> str:
    """Where the plan is."""
    last = await _last(engine)
    return f"{last.state}, {last.done} steps" if last.declared.tables.keys() == AFTER.keys() else "not begun"


async def _check(settings: Settings, engine: Engine, declared: Schema) -> Schema:
    """Check that the tables are as declared, with their rows; return them."""
    plan = await engine.plan(declared)
    assert (plan.steps, plan.unfinished) == ((), False)
    async with connect_as_owner(settings) as connection:
        assert await connection.fetch(UNUSABLE) == []
        content = await connection.fetchrow(CONTENT)
        assert content is not None
        assert tuple(content) == (ROWS, ROWS, ROWS * (ROWS + 1) // 2, True)
    return plan.tables


async def _finish(settings: Settings, work: Work, expected: dict[Work, Schema]) -> None:
    """Go on, in either direction, and then back to the beginning."""
    engine = Engine(settings)
    if any(one.state is State.ROLLING_BACK for one in (await engine.status(AFTER)).migrations):
        work = roll_back
    await work(engine)
    assert await _check(settings, engine, AFTER if work is apply else BEFORE) == expected[work]
    await roll_back(engine)
    assert await _check(settings, engine, BEFORE) == expected[roll_back]


async def _undisturbed(settings: Settings) -> tuple[dict[Work, Schema], float]:
    """Apply and roll back once; return the tables after each, and how long the applying takes."""
    engine = Engine(settings)
    await _fill(settings)
    started = time.perf_counter()
    await apply(engine)
    seconds = time.perf_counter() - started
    tables = await _check(settings, engine, AFTER)
    await roll_back(engine)
    return {apply: tables, roll_back: await _check(settings, engine, BEFORE)}, seconds


def _killed(settings: Settings, work: Work, seconds: float) -> None:
    """Do something in a process that is killed after a time, if it has not ended by then."""
    process = start(work(Engine(settings)))
    time.sleep(seconds)
    kill(process)
    asyncio.run(forgotten(settings))


def main(rounds: int) -> None:
    """Kill as many processes, each in another moment."""
    executor._PAGES = 40  # noqa: SLF001 - so that there are batches
    settings = load(Settings)
    chance = random.Random(rounds)  # noqa: S311 - moments, no secrets
    asyncio.run(_prepare(settings))
    expected, longest = asyncio.run(_undisturbed(settings))
    places: Counter[str] = Counter()
    for _ in range(rounds):
        asyncio.run(_fill(settings))
        _killed(settings, apply, chance.uniform(0.3, 1.3) * longest)  # planning takes a third
        places[asyncio.run(_place(Engine(settings)))] += 1
        work = chance.choice((apply, roll_back))
        if chance.random() < 1 / 2:
            _killed(settings, work, chance.uniform(0, longest))
        asyncio.run(_finish(settings, work, expected))
    sys.stdout.write(json.dumps(dict(sorted(places.items()))))


main(int(sys.argv[1]))
