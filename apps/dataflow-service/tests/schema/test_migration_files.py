"""Migrations as files: written from the models, applied in their order, merged and squashed."""

from pathlib import Path

import asyncpg
import pytest
from conftest import MakeSettings
from packages import Package
from parts import Engine, parts

from dataflow_service.schema.errors import (
    DestructiveStepsError,
    NothingToRollBackError,
    RowsLackValueError,
    StepFailedError,
)
from dataflow_service.schema.files.errors import (
    AppliedFileChangedError,
    AppliedFileMissingError,
    ConflictError,
    DatabaseDiffersError,
    InvalidNameError,
    ModelsDifferError,
    NotAdoptableError,
    PartlyReplacedError,
    UnfinishedPlanError,
)
from dataflow_service.schema.steps import text
from dataflow_service.schema.tables import Column, Index, Schema

WEIGHT = Column("weight", "bigint", nullable=True)
COLOUR = Column("colour", "text", nullable=False, default="'grey'::text")
BY_NAME = Index("parts_name_idx", ("name",), unique=False)
BY_WEIGHT = Index("parts_weight_idx", ("weight",), unique=False)

SECOND = """\
{
  "name": "0002_weight",
  "checksum": "%s",
  "parents": {"0001_initial": "%s"},
  "steps": [
    {"action": "add column", "table": "parts", "statement": "ALTER TABLE \\"parts\\" ADD COLUMN \\"weight\\" bigint", \
"lock": "ACCESS EXCLUSIVE", "columns": ["weight"], "undo": {"action": "drop column", "table": "parts", \
"statement": "ALTER TABLE \\"parts\\" DROP COLUMN \\"weight\\"", "lock": "ACCESS EXCLUSIVE", "destructive": true}}
  ],
  "changes": [
    {"table": "parts", "part": "columns", "name": "weight", "value": {"name": "weight", "type": "bigint", \
"nullable": true, "default": null, "computed": null}}
  ]
}
"""


@pytest.fixture
def package(
    make_settings: MakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,  # noqa: ARG001 - needed for its effect
) -> Package:
    """A package whose only file makes the table."""
    monkeypatch.syspath_prepend(tmp_path)
    made = Package(tmp_path / "packaged_parts", make_settings())
    made.make(parts(), "initial")
    return made


@pytest.fixture
def branches(package: Package, tmp_path: Path) -> tuple[Package, Package]:
    """Two branches, each with another column."""
    weight, colour = package.branch(tmp_path / "weight_branch"), package.branch(tmp_path / "colour_branch")
    weight.make(parts(WEIGHT), "weight")
    colour.make(parts(COLOUR, indexes=[BY_NAME]), "colour")
    return weight, colour


async def _columns(database: asyncpg.Connection) -> set[str]:
    sql = "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass('parts') AND attnum > 0 AND NOT attisdropped"
    return {name for (name,) in await database.fetch(sql)}


async def _applied(database: asyncpg.Connection) -> list[tuple[str, str, int]]:
    return [tuple(row) for row in await database.fetch("SELECT file, state, done FROM model_migrations ORDER BY id")]


async def _same(package: Package, engine: Engine, schema: Schema) -> None:
    """Files, models and the database fit together."""
    assert package.author(schema).make("nothing") is None
    package.author(schema).check()
    await package.service().check()
    plan = await engine.plan(schema)
    assert (plan.steps, (await engine.status(schema)).differences) == ((), [])


def test_a_file_has_its_steps_as_sql_and_what_they_make_a_line_each(package: Package) -> None:
    written = package.make(parts(WEIGHT), "weight")
    first, second = package.files.files.values()
    assert written.path == str(package.folder / "0002_weight.json")
    assert Path(written.path).read_text() == SECOND % (second.checksum, first.checksum)
    assert package.names == ["0001_initial.json", "0002_weight.json"]


def test_the_same_difference_makes_the_same_file(package: Package, tmp_path: Path) -> None:
    other = package.branch(tmp_path / "other")
    paths = [one.make(parts(WEIGHT), "weight").path for one in (package, other)]
    assert Path(paths[0]).read_text() == Path(paths[1]).read_text()


def test_a_name_that_is_none_of_a_file_is_refused(package: Package) -> None:
    for name in ("", "../up", "Add", "a b", "a" * 51):
        with pytest.raises(InvalidNameError):
            package.author(parts(WEIGHT)).make(name)
    assert package.names == ["0001_initial.json"]


async def test_files_are_applied_in_their_order_once_and_rolled_back_one_by_one(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    package.make(parts(WEIGHT), "weight")
    assert [one.file for one in await package.apply()] == ["0001_initial", "0002_weight"]
    assert await package.apply() == []
    assert await _applied(database) == [("0001_initial", "applied", 1), ("0002_weight", "applied", 1)]
    await _same(package, engine, parts(WEIGHT))
    assert (await engine.rollback()).file == "0002_weight"
    with pytest.raises(DatabaseDiffersError) as caught:
        await package.service().check()
    assert str(caught.value) == (
        "The database differs from the files:\npending: 0002_weight\nApply what is pending: `migrate apply`. Repair what was "
        "changed by hand; `migrate plan` has the statements for it."
    )
    assert [one.file for one in await package.apply()] == ["0002_weight"]


async def test_what_models_files_and_database_lack_is_told_apart(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    await package.apply()
    with pytest.raises(ModelsDifferError) as differ:
        package.author(parts(WEIGHT)).check()
    assert str(differ.value) == (
        "The models differ from the files:\n-- 1. add column: lock ACCESS EXCLUSIVE, in a transaction\n"
        'ALTER TABLE "parts" ADD COLUMN "weight" bigint;\nWrite the difference into a file: `migrate make NAME`.'
    )
    await database.execute("ALTER TABLE parts ALTER name TYPE varchar")
    with pytest.raises(DatabaseDiffersError) as caught:
        await package.service().check()
    assert str(caught.value).splitlines()[1] == (
        "drift: column name of parts: found character varying NOT NULL, declared text NOT NULL"
    )
    assert (await engine.plan(parts())).steps != ()


@pytest.mark.parametrize("first", [0, 1])
async def test_branches_that_touch_other_columns_are_applied_in_either_order(
    branches: tuple[Package, Package], engine: Engine, database: asyncpg.Connection, first: int
) -> None:
    mine, other = branches[first], branches[1 - first]
    await mine.apply()
    mine.take(other)
    assert mine.names == ["0001_initial.json", "0002_colour.json", "0002_weight.json"]
    assert len(await mine.apply()) == 1
    assert await _columns(database) == {"id", "name", "weight", "colour"}
    schema = parts(WEIGHT, COLOUR, indexes=[BY_NAME])
    await _same(mine, engine, schema)
    mine.make(parts(WEIGHT, COLOUR), "no_index")
    assert list(mine.files["0003_no_index"].parents) == ["0002_colour", "0002_weight"]
    await mine.apply()
    await _same(mine, engine, parts(WEIGHT, COLOUR))


OTHER_WEIGHT = Column("weight", "numeric", nullable=True)
CONFLICTS: dict[str, tuple[Schema, Schema, str]] = {
    "one column": (parts(WEIGHT), parts(OTHER_WEIGHT), "the column weight of parts"),
    "one table": ({}, parts(WEIGHT), "the table parts"),
    "one index": (parts(indexes=[BY_NAME]), parts(indexes=[BY_NAME, BY_WEIGHT]), "the index parts_name_idx of parts"),
}


@pytest.mark.parametrize("kind", CONFLICTS)
async def test_branches_that_conflict_are_refused_and_merged_by_making_one_again(
    package: Package, tmp_path: Path, engine: Engine, kind: str
) -> None:
    mine, theirs, place = CONFLICTS[kind]
    one, other = package.branch(tmp_path / "one_branch"), package.branch(tmp_path / "other_branch")
    one.make(mine, "mine")
    other.make(theirs, "theirs")
    one.take(other)
    with pytest.raises(ConflictError) as caught:
        await one.apply()
    assert str(caught.value) == (
        f"The files 0002_mine and 0002_theirs were made beside each other, and both concern {place}. Keep one, and make the "
        "other again behind it from the models as they are now: `migrate merge 0002_theirs`, or `migrate merge 0002_mine`."
    )
    merged = parts(OTHER_WEIGHT, indexes=[BY_NAME])
    written = one.author(merged).merge("0002_theirs")
    assert written is not None
    assert (written.removed, one.names) == (
        ["0002_theirs"],
        ["0001_initial.json", "0002_mine.json", "0003_theirs.json"],
    )
    await one.apply(destructive=True)
    await _same(one, engine, merged)


async def test_a_column_that_one_branch_drops_and_an_index_of_another_needs_is_a_conflict(
    package: Package, tmp_path: Path
) -> None:
    package.make(parts(WEIGHT), "weight")
    one, other = package.branch(tmp_path / "dropping_branch"), package.branch(tmp_path / "indexing_branch")
    one.make(parts(), "dropped")
    other.make(parts(WEIGHT, indexes=[BY_WEIGHT]), "indexed")
    one.take(other)
    with pytest.raises(ConflictError, match="both concern the column weight of parts"):
        one.files  # noqa: B018 - it reads them


async def test_a_squashed_file_makes_the_same_tables_in_a_new_database(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    schema = parts(COLOUR, indexes=[BY_NAME])
    package.make(parts(WEIGHT, indexes=[BY_NAME]), "weight")
    package.make(schema, "colour")
    await package.apply(destructive=True)
    before = (await engine.plan(schema)).tables
    await database.execute("DROP TABLE parts; TRUNCATE model_migrations")
    package.author(schema).squash("0003_colour")
    assert package.names == ["0004_squashed_colour.json"]
    await package.apply()
    assert await _applied(database) == [("0004_squashed_colour", "applied", 2)]
    assert (await engine.plan(schema)).tables == before
    await _same(package, engine, schema)


async def test_a_database_with_all_files_has_the_squashed_one_too(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    package.make(parts(WEIGHT), "weight")
    package.make(parts(WEIGHT, indexes=[BY_NAME]), "index")
    await package.apply()
    await database.execute("INSERT INTO parts (name) VALUES ('kept')")
    schema = parts(WEIGHT, indexes=[BY_NAME])
    package.author(schema).squash("0002_weight")
    assert package.names == ["0003_index.json", "0004_squashed_weight.json"]
    await _same(package, engine, schema)
    assert await package.apply() == []
    assert await _applied(database) == [
        ("0001_initial", "replaced", 1),
        ("0002_weight", "replaced", 1),
        ("0003_index", "applied", 1),
        ("0004_squashed_weight", "applied", 0),
    ]
    await _same(package, engine, schema)
    package.author(schema).squash("0003_index")
    assert package.names == ["0005_squashed_index.json"]
    await _same(package, engine, schema)
    assert await package.apply() == []
    assert await database.fetchval("SELECT count(*) FROM parts") == 1
    with pytest.raises(NothingToRollBackError):
        await engine.rollback(destructive=True)


async def test_a_database_with_some_of_the_squashed_files_is_refused(
    package: Package, database: asyncpg.Connection
) -> None:
    package.make(parts(WEIGHT), "weight")
    await package.service(["0001_initial"]).apply(destructive=False)
    package.author(parts(WEIGHT)).squash("0002_weight")
    with pytest.raises(PartlyReplacedError) as caught:
        await package.apply()
    assert str(caught.value) == (
        "The file 0003_squashed_weight replaces 2 files, of which this database has applied some (0001_initial) and not the "
        "others (0002_weight). Apply those first, with the version of the package that has them."
    )
    assert await _applied(database) == [("0001_initial", "applied", 1)]


async def test_tables_that_are_there_are_adopted_where_they_are_as_declared(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    await engine.apply(parts(WEIGHT))
    package.make(parts(WEIGHT, indexes=[BY_NAME]), "more")
    with pytest.raises(StepFailedError, match='relation "parts" already exists'):
        await package.apply()
    with pytest.raises(NotAdoptableError) as caught:
        await package.service().adopt()
    assert str(caught.value).splitlines()[:3] == [
        "The tables lack some of what the files declare:",
        "-- 1. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table",
        'CREATE INDEX CONCURRENTLY "parts_name_idx" ON "parts" ("name");',
    ]
    await engine.apply(parts(WEIGHT, indexes=[BY_NAME]))
    assert [one.file for one in await package.service().adopt()] == ["0001_initial", "0002_more"]
    assert await package.apply() == []
    await _same(package, engine, parts(WEIGHT, indexes=[BY_NAME]))
    await engine.rollback(destructive=True)
    assert await _columns(database) == {"id", "name"}


async def test_files_that_lose_data_need_the_flag_before_anything_runs(
    package: Package, database: asyncpg.Connection
) -> None:
    package.make(parts(WEIGHT), "weight")
    package.make(parts(), "dropped")
    with pytest.raises(DestructiveStepsError) as caught:
        await package.apply()
    assert caught.value.statements == ('ALTER TABLE "parts" DROP COLUMN "weight"',)
    assert await _columns(database) == set()
    assert len(await package.apply(destructive=True)) == 3


async def test_a_column_without_value_for_the_rows_stops_before_its_file(
    package: Package, database: asyncpg.Connection
) -> None:
    await package.apply()
    await database.execute("INSERT INTO parts (name) VALUES ('a')")
    package.make(parts(Column("length", "bigint", nullable=False)), "length")
    with pytest.raises(RowsLackValueError, match="The new column length of parts may not be null and has no default"):
        await package.apply()
    assert await _applied(database) == [("0001_initial", "applied", 1)]
    await database.execute("DELETE FROM parts")
    assert len(await package.apply()) == 1


async def test_a_file_that_was_applied_is_neither_changed_nor_lost(package: Package, engine: Engine) -> None:
    package.make(parts(WEIGHT), "weight")
    await package.apply()
    applied = package.files["0002_weight"].checksum
    (package.folder / "0002_weight.json").unlink()
    with pytest.raises(AppliedFileMissingError, match="has applied the file 0002_weight, which is not there"):
        await package.apply()
    package.make(parts(COLOUR), "weight")
    found = package.files["0002_weight"].checksum
    with pytest.raises(AppliedFileChangedError) as caught:
        await package.apply()
    assert str(caught.value) == (
        f"The file 0002_weight has the checksum {found}, but this database has applied it with {applied}. "
        "Restore that file; or roll it back with `migrate rollback`, and apply the new one."
    )
    await engine.rollback()
    await package.apply()
    await _same(package, engine, parts(COLOUR))


async def test_a_plan_by_checksum_that_was_interrupted_comes_first(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    await package.apply()
    await database.execute("INSERT INTO parts (name) VALUES ('a'), ('a')")
    schema = parts(WEIGHT, indexes=[Index("parts_name_key", ("name",), unique=True)])
    with pytest.raises(StepFailedError):
        await engine.apply(schema)
    checksum = (await engine.plan(schema)).checksum
    with pytest.raises(UnfinishedPlanError, match=f"`migrate apply {checksum}`"):
        await package.apply()


async def test_a_file_that_failed_in_its_middle_is_gone_on_with(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    await package.apply()
    await database.execute("INSERT INTO parts (name) VALUES ('a'), ('a')")
    schema = parts(WEIGHT, indexes=[Index("parts_name_key", ("name",), unique=True)])
    package.make(schema, "unique")
    with pytest.raises(StepFailedError, match="1 of 2 steps are in effect"):
        await package.apply()
    with pytest.raises(DatabaseDiffersError, match=r"pending: 0002_unique \(interrupted\)"):
        await package.service().check()
    await database.execute("DELETE FROM parts WHERE id = 2")
    await package.apply()
    await _same(package, engine, schema)


async def test_a_file_that_was_edited_on_purpose_is_sealed_and_applied(
    package: Package, engine: Engine, database: asyncpg.Connection
) -> None:
    """A rename, which no tool can guess."""
    package.make(parts(WEIGHT), "weight")
    await package.apply()
    await database.execute("INSERT INTO parts (name, weight) VALUES ('a', 7)")
    renamed = parts(Column("mass", "bigint", nullable=True))
    package.make(renamed, "renamed")
    rename = 'ALTER TABLE "parts" RENAME COLUMN "weight" TO "mass"'
    step = {"action": "rename column", "table": "parts", "statement": rename, "lock": "ACCESS EXCLUSIVE"}
    package.edit("0003_renamed", steps=[step])
    package.author(renamed).seal("0003_renamed")
    assert text((await package.apply())[0].steps).endswith(f"{rename};")
    assert await database.fetchval("SELECT mass FROM parts") == 7
    await _same(package, engine, renamed)
