"""Files that are not what the tool wrote, by mistake or by intent: a whole text for each, and nothing is applied."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from conftest import MakeSettings
from packages import Package
from parts import Engine, indexes_of_parts, parts, until

from dataflow_service.schema.errors import MigrationError
from dataflow_service.schema.files.author import Author
from dataflow_service.schema.files.errors import NoFolderError, UnwritableFileError
from dataflow_service.schema.files.statements import fault
from dataflow_service.schema.tables import Column

WEIGHT = Column("weight", "bigint", nullable=True)
RESTORE = "Restore it from version control, or make it again by `migrate make`."
SECOND = "0002_weight"


@pytest.fixture
def package(
    make_settings: MakeSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,  # noqa: ARG001 - needed for its effect
) -> Package:
    """A package with two files."""
    monkeypatch.syspath_prepend(tmp_path)
    made = Package(tmp_path / "faulty_parts", make_settings())
    made.make(parts(), "initial")
    made.make(parts(WEIGHT), "weight")
    return made


def _step(statement: str) -> dict[str, object]:
    return {"action": "add column", "table": "parts", "statement": statement, "lock": "ACCESS EXCLUSIVE"}


def _edited(package: Package) -> str:
    checksum = package.files[SECOND].checksum
    path = package.edit(SECOND, steps=[])
    found = package.seal(SECOND).read_text().rpartition('"checksum": "')[2][:64]
    package.edit(SECOND, checksum=checksum)
    return (
        f"{path} was edited: its checksum is {found}, not {checksum}. Restore it from version control; or, where the change is "
        f"intended and no database has applied the file, run `migrate hash {SECOND}`."
    )


def _not_utf8(package: Package) -> str:
    path = package.folder / f"{SECOND}.json"
    path.write_bytes(b'{"name": "\xff"}')
    return f"{path} cannot be read: it is not UTF-8: byte 10 is 0xff. {RESTORE}"


def _half(package: Package) -> str:
    path = package.folder / f"{SECOND}.json"
    path.write_text(path.read_text()[:100])
    return f"{path} cannot be read: Unterminated string starting at at line 3, column 15. {RESTORE}"


def _empty(package: Package) -> str:
    path = package.folder / f"{SECOND}.json"
    path.write_text("")
    return f"{path} cannot be read: it is empty. {RESTORE}"


def _twice_a_member(package: Package) -> str:
    path = package.folder / f"{SECOND}.json"
    path.write_text('{"steps": [], "steps": []}')
    return f"{path} cannot be read: the name 'steps' is given twice in one object. {RESTORE}"


def _no_steps(package: Package) -> str:
    path = package.folder / f"{SECOND}.json"
    path.write_text('{"name": "0002_weight"}')
    return f"{path} cannot be read: steps: Field required. {RESTORE}"


def _no_part(package: Package) -> str:
    path = package.seal(SECOND, changes=[{"table": "parts", "part": "odd", "name": "x", "value": None}])
    return f"{path} cannot be read: 'odd' is no part of a table. {RESTORE}"


def _of_the_service(package: Package) -> str:
    path = package.seal(SECOND, changes=[{"table": "changes", "part": "table", "name": "", "value": None}])
    return f"{path} cannot be read: it changes changes, of the service itself. {RESTORE}"


def _no_table(package: Package) -> str:
    path = package.seal(SECOND, changes=[{"table": "odd", "part": "columns", "name": "x", "value": None}])
    return f"{path} cannot be read: it changes the column x of odd, and no file makes that table. {RESTORE}"


def _renamed(package: Package) -> str:
    path = package.folder / "0003_other.json"
    (package.folder / f"{SECOND}.json").rename(path)
    return f"{path} says that its name is '{SECOND}'. A file keeps the name that it was made with: rename it."


def _one_name(package: Package) -> str:
    package.edit(SECOND)
    (package.folder / "0002_WEIGHT.json").write_text("{}")
    return "The files 0002_WEIGHT and 0002_weight have one name where case does not count. Remove one of them."


def _circle(package: Package) -> str:
    package.seal("0001_initial", parents={SECOND: "0" * 64})
    package.seal(SECOND)
    return "These files build on each other in a circle: 0001_initial, 0002_weight. Restore them from version control."


def _on_itself(package: Package) -> str:
    package.seal(SECOND, parents={SECOND: "0" * 64})
    return "These files build on each other in a circle: 0002_weight. Restore them from version control."


def _lost_parent(package: Package) -> str:
    (package.folder / "0001_initial.json").unlink()
    return (
        "The file 0002_weight builds on 0001_initial, which is not there. Restore 0001_initial from version control, or "
        "make 0002_weight again from the models: `migrate merge 0002_weight`."
    )


def _changed_parent(package: Package) -> str:
    package.seal("0001_initial", replaces={})
    found = package.folder.joinpath("0001_initial.json").read_text().rpartition('"checksum": "')[2][:64]
    return (
        f"The file 0002_weight builds on 0001_initial, which has another checksum now, {found}. Restore 0001_initial from "
        "version control, or make 0002_weight again from the models: `migrate merge 0002_weight`."
    )


def _other_schema(package: Package) -> str:
    statement = 'ALTER TABLE "other"."parts" ADD COLUMN "weight" bigint'
    package.seal(SECOND, steps=[_step(statement)])
    return (
        f"The file 0002_weight has a statement that names another schema, or a column by its table: `{statement}`. A file "
        "changes the tables of the models, which are in the service's own schema, by one statement for each step. "
        "Remove that step."
    )


FAULTS: list[Callable[[Package], str]] = [
    *(_edited, _not_utf8, _half, _empty, _twice_a_member, _no_steps, _no_part, _of_the_service, _no_table, _renamed),
    *(_one_name, _circle, _on_itself, _lost_parent, _changed_parent, _other_schema),
]


@pytest.mark.parametrize("break_file", FAULTS)
async def test_a_faulty_file_is_refused_and_nothing_is_applied(
    package: Package, database: asyncpg.Connection, break_file: Callable[[Package], str]
) -> None:
    expected = break_file(package)
    for work in (package.author(parts(WEIGHT)).check, lambda: package.author(parts()).make("more"), package.service):
        with pytest.raises(MigrationError) as caught:
            work()
        assert str(caught.value) == expected
    assert await database.fetchval("SELECT to_regclass('parts') IS NULL")
    assert await database.fetchval("SELECT count(*) FROM model_migrations") == 0


async def test_a_file_whose_parent_was_lost_is_made_again(package: Package) -> None:
    (package.folder / "0001_initial.json").unlink()
    written = package.author(parts(WEIGHT)).merge(SECOND)
    assert written is not None
    assert (written.removed, package.names) == ([SECOND], ["0003_weight.json"])
    assert [one.file for one in await package.apply()] == ["0003_weight"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('ALTER TABLE "a"."b" ADD c int', "names another schema, or a column by its table"),
        ("ALTER TABLE a . b ADD c int", "names another schema, or a column by its table"),
        ('CREATE INDEX i ON public."parts" (name)', "names another schema, or a column by its table"),
        ("ALTER TABLE parts SET SCHEMA other", "moves a table to another schema"),
        ("ALTER TABLE parts ADD a int; DROP TABLE parts", "is more than one"),
        ("ALTER TABLE parts /* */ ADD a int", "has a comment"),
        ("ALTER TABLE parts ADD a text DEFAULT $$x$$", "has a text in dollars"),
        (r"ALTER TABLE parts ADD a text DEFAULT E'\''", "has a text or a name with escapes"),
        (r'ALTER TABLE U&"\0061" ADD a text', "has a text or a name with escapes"),
        ("DO 'BEGIN END'", "changes no table"),
        ("SET search_path = other", "changes no table"),
        ("SELECT set_config('search_path', 'other', false)", "changes no table"),
        ("DROP SCHEMA other", "changes no table"),
        ("UPDATED parts", "changes no table"),
        ("UPDATE model_migrations SET done = 0", "names model_migrations, a table of the service itself"),
        ('DELETE FROM "changes"', "names changes, a table of the service itself"),
        ("", "changes no table"),
        ("UPDATE parts SET changes = 1.5 WHERE name = 'a.b; c -- d'", None),
        ('ALTER TABLE "a.b" ADD "c.d" numeric DEFAULT 1.5', None),
    ],
)
def test_a_statement_changes_tables_of_the_models_alone(statement: str, expected: str | None) -> None:
    assert fault(statement) == expected


def test_a_package_that_cannot_be_written_is_reported() -> None:
    path = Path(__file__).parent / "fixtures" / "indexed_parts" / "migrations" / "0001_initial.json"
    sys.path.insert(0, str(path.parent.parent.parent))
    try:
        with pytest.raises(UnwritableFileError) as caught:
            Author("indexed_parts", parts()).make("initial")
    finally:
        sys.path.pop(0)
    assert str(caught.value) == (
        f"{path} cannot be written: Read-only file system. Nothing was changed. Run this where the package can be written, "
        "in a working copy of it for example; it needs no database."
    )


def test_models_that_are_in_no_folder_have_no_files() -> None:
    with pytest.raises(NoFolderError):
        Author("json.decoder", parts())


def _start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "dataflow_service", "migrate", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def test_of_two_processes_that_apply_at_once_one_is_refused(
    environment: dict[str, str], engine: Engine, tmp_path: Path, postgres_url: str, database: asyncpg.Connection
) -> None:
    model = Path(__file__).parent / "fixtures" / "indexed_parts" / "part.py"
    folder = tmp_path / "raced_parts"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "part.py").write_text(
        model.read_text().split("    __indexes__")[0] + model.read_text().partition("True}]\n")[2]
    )
    variables = {
        **environment,
        "DATAFLOW_MODELS": "raced_parts",
        "PYTHONPATH": f"{environment['PYTHONPATH']}:{tmp_path}",
    }
    assert _ended(_start(variables, "make", "initial"))[0] == 0
    assert _ended(_start(variables, "apply"))[0] == 0
    (folder / "part.py").write_text(model.read_text())
    assert _ended(_start(variables, "make", "index"))[0] == 0
    writer = await asyncpg.connect(postgres_url)
    async with writer.transaction():
        await writer.execute("INSERT INTO parts (name) VALUES ('a')")  # the index waits for the end of this transaction
        first = _start(variables, "apply")
        await until(lambda: indexes_of_parts(database), [("parts_name_key", False), ("parts_pkey", True)])
        second = await asyncio.to_thread(_ended, _start(variables, "apply"))
        running = "Another process applies or rolls back a plan now. Read the status until it has ended.\n"
        assert second == (1, "", running)
    await writer.close()
    status, output, error = await asyncio.to_thread(_ended, first)
    assert (status, output.splitlines()[1:], error) == (0, ["The files are applied: 1 of 2 now."], "")
    checked = (0, "Checked: 2 files, the models, the database.\n", "")
    assert await asyncio.to_thread(_ended, _start(variables, "check", "--database")) == checked
    assert [one.file for one in (await engine.status({})).migrations] == ["0002_index", "0001_initial"]


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, error = process.communicate(timeout=300)
    return process.returncode, output, error
