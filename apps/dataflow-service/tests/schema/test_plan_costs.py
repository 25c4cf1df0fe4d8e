"""The locks and costs that a plan shows are those that its steps have."""

from dataclasses import replace

import asyncpg
import pytest
from parts import Engine, parts

from dataflow_service.registry.model import Field
from dataflow_service.schema import commands
from dataflow_service.schema.desired import check_of
from dataflow_service.schema.steps import Step, Transaction, Work
from dataflow_service.schema.tables import TENANT_COLUMN, Column, ForeignKey, Index, Schema, Table

SEVEN = "'7'::bigint"
BINS: Schema = {"bins": Table("bins", {"id": Column("id", "bigint", nullable=False)}, {})}
BEFORE: Schema = {
    **parts(
        Column("weight", "bigint", nullable=True, default=SEVEN),
        Column("size", "bigint", nullable=True),
        Column("code", "character varying", nullable=True),
        Column("colour", "text", nullable=True),
        Column("old", "text", nullable=True),
        Column("bin_id", "bigint", nullable=True),
        indexes=[Index("parts_size_idx", ("size",), unique=False)],
    ),
    **BINS,
    "crates": Table("crates", {"id": Column("id", "bigint", nullable=False)}, {}),
}
_PARTS = parts(
    Column("weight", "bigint", nullable=False, default=SEVEN),
    Column("size", "numeric", nullable=True),
    Column("code", "text", nullable=True, default="'x'::text"),
    Column("colour", "text", nullable=True),
    Column("bin_id", "bigint", nullable=True),
    Column("length", "bigint", nullable=False, default=SEVEN),
    TENANT_COLUMN,
    indexes=[Index("parts_name_idx", ("tenant_id", "name"), unique=False)],
    checks=[check_of(Field("colour", "text", required=False, nullable=True, texts=("blue", "red")))],
)["parts"]
AFTER: Schema = {
    "parts": replace(
        _PARTS,
        key=("tenant_id", "id"),
        multi_tenant=True,
        foreign_keys={"bin_id_fkey": ForeignKey("bin_id_fkey", ("bin_id",), "bins", ("id",))},
    ),
    **BINS,
    "boxes": Table("boxes", {"id": Column("id", "bigint", nullable=False)}, {}),
}
MODES = ["AccessShare", "RowShare", "RowExclusive", "ShareUpdateExclusive", "Share", "ShareRowExclusive", "Exclusive"]
STRENGTH = {f"{mode}Lock": number for number, mode in enumerate([*MODES, "AccessExclusive"])}
NAMES = {"ACCESS EXCLUSIVE": "AccessExclusiveLock", "SHARE ROW EXCLUSIVE": "ShareRowExclusiveLock"}
NAMES |= {
    "SHARE UPDATE EXCLUSIVE": "ShareUpdateExclusiveLock",
    "SHARE": "ShareLock",
    "ROW EXCLUSIVE": "RowExclusiveLock",
}
COSTLY = {"backfill", "change type", "create index", "validate check", "validate foreign key", "validate texts"}


@pytest.fixture
async def rows(engine: Engine, database: asyncpg.Connection) -> Engine:
    """An engine that has made the tables, with rows."""
    await engine.apply(BEFORE)
    await database.execute(
        "INSERT INTO parts (name, size, code, colour) SELECT n, n, n, 'red' FROM generate_series(1, 9) AS n"
    )
    return engine


async def _strongest(database: asyncpg.Connection, table: str) -> str | None:
    modes = await database.fetch(
        "SELECT mode FROM pg_locks WHERE relation = to_regclass($1) AND pid = pg_backend_pid() AND granted", table
    )
    return max((mode for (mode,) in modes), key=STRENGTH.__getitem__, default=None)


async def _run(database: asyncpg.Connection, step: Step) -> tuple[str | None, bool]:
    """Run a step; return the strongest lock of its table, which another had before, and whether it was written anew."""
    file = "SELECT pg_relation_filenode(to_regclass($1))"
    before = await database.fetchval(file, step.table)
    async with database.transaction():
        await database.execute(step.statement)
        lock = await _strongest(database, step.table)
    return lock, before is not None and await database.fetchval(file, step.table) not in {before, None}


async def test_the_locks_and_rewrites_of_a_plan_are_those_that_postgresql_reports(
    rows: Engine, database: asyncpg.Connection
) -> None:
    kinds = set()
    for step in (await rows.plan(AFTER)).steps:
        kinds.add(step.action)
        if step.transaction is Transaction.NONE:
            concurrently = step.action in {"create index", "drop index"}
            assert step.lock == ("SHARE UPDATE EXCLUSIVE" if concurrently else "ROW EXCLUSIVE")
            statement = step.statement.partition(" AND ctid")[0]
            await database.execute(statement)
            continue
        lock, rewritten = await _run(database, step)
        assert rewritten == (step.work is Work.REWRITE), step.statement
        if step.action not in {"create table", "drop table"}:
            assert lock == NAMES[step.lock], step.statement
    assert kinds >= {"add column", "add check", "add foreign key", "create policy", "set primary key", *COSTLY}
    assert (await rows.plan(AFTER)).steps == ()


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "about 0"), (1_000_000, "about 1000000"), (-1, "an unknown number of")]
)
async def test_each_step_that_reads_or_rewrites_a_table_shows_its_rows_and_bytes(
    rows: Engine, database: asyncpg.Connection, postgres_admin_url: str, number: int, shown: str
) -> None:
    admin = await asyncpg.connect(postgres_admin_url)
    try:
        table = await database.fetchval("SELECT 'parts'::regclass::oid")
        await admin.execute("UPDATE pg_class SET reltuples = $2 WHERE oid = $1", table, float(number))
    finally:
        await admin.close()
    plan = await rows.plan(AFTER)
    size = await database.fetchval("SELECT pg_total_relation_size('parts')")
    lines = (await commands.plan(rows.of(AFTER)))[0].splitlines()[::2]
    assert len(lines) == len(plan.steps)
    for step, line in zip(plan.steps, lines, strict=True):
        work = {Work.SCAN: ", reads the table", Work.REWRITE: ", rewrites rows", Work.CATALOGUE: ""}[step.work]
        costly = step.action in COSTLY and '"code" TYPE' not in step.statement  # a varchar is a text already
        cost = f"{work} ({shown} rows, {size} bytes)" if costly else ""
        assert line.removesuffix(", DESTRUCTIVE").partition("transaction")[2].removeprefix(" of its own") == cost, line


async def test_a_table_without_rows_that_was_never_analysed_has_none(engine: Engine) -> None:
    await engine.apply(parts())
    assert (await engine.plan(parts())).tables["parts"].rows == 0
