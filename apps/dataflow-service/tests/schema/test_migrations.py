"""/v1/migrations, and the same by the command line; interrupted by kill -9 too."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings, serving_client
from parts import Engine, indexes_of_parts, until

from dataflow_service.schema.steps import checksum
from nexus_testkit import Issuer

EMPTY = checksum(())
SQL = 'CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("name")'
TEXT = f"""\
-- 1. create index: lock SHARE UPDATE EXCLUSIVE, outside a transaction, reads the table
{SQL};"""
TABLE = """
CREATE TABLE parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    row_version bigint NOT NULL DEFAULT 1
)
"""

type Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
async def table(engine: Engine, database: asyncpg.Connection) -> Engine:
    """The table of the package indexed_parts, without its index."""
    await database.execute(TABLE)
    await database.execute("INSERT INTO parts (name) SELECT 'n' || n FROM generate_series(1, 100) AS n")
    await database.execute("ANALYZE parts")
    return engine


@pytest.fixture
async def admin(
    make_settings: MakeSettings,
    issuer: Issuer,
    table: Engine,  # noqa: ARG001 - needed for its effect
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the model of indexed_parts, with the scopes of rows and migrations."""
    token = issuer.mint("dataflow-service", {"data:admin", "data:read", "data:write"})
    async with serving_client(make_settings(models="indexed_parts"), token) as session:
        yield session


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Starts `migrate` with arguments and changes of the environment, for the model of indexed_parts."""
    path = f"{environment['PYTHONPATH']}:{Path(__file__).parent / 'fixtures'}"
    variables = {**environment, "PYTHONPATH": path, "DATAFLOW_MODELS": "indexed_parts"}

    def start(*arguments: str, **changes: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "dataflow_service", "migrate", *arguments]
        return subprocess.Popen(
            command, env=variables | changes, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    output, error = process.communicate(timeout=300)
    return process.returncode, output, error


async def _answer(response: aiohttp.ClientResponse) -> tuple[int, dict[str, Any]]:
    return response.status, json.loads(await response.text())


_STEP = {"action": "create index", "table": "parts", "error": None}


def _times(answer: dict[str, Any]) -> dict[str, Any]:
    """When the only step of a plan was begun, and how long it took."""
    (step,) = answer["progress"]
    assert 0 < step["seconds"] < 60
    return {"started_at": step["started_at"], "seconds": step["seconds"]}


async def test_a_plan_is_shown_applied_listed_and_rolled_back(
    admin: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    size = await database.fetchval("SELECT pg_total_relation_size('parts')")
    status, plan = await _answer(await admin.post("/v1/migrations/plan"))
    assert (status, plan) == (
        200,
        {
            "checksum": plan["checksum"],
            "unfinished": False,
            "destructive": False,
            "steps": [
                {
                    "action": "create index",
                    "table": "parts",
                    "sql": SQL,
                    "lock": "SHARE UPDATE EXCLUSIVE",
                    "transaction": "none",
                    "destructive": False,
                    "reversible": True,
                    "cost": {"work": "scan", "rows": 100, "bytes": size},
                }
            ],
            "text": TEXT,
        },
    )
    status, applied = await _answer(await admin.post("/v1/migrations/apply", json={"checksum": plan["checksum"]}))
    assert (status, applied) == (
        200,
        {
            "checksum": plan["checksum"],
            "file": None,
            "state": "applied",
            "steps": 1,
            "done": 1,
            "started_at": applied["started_at"],
            "applied_at": applied["applied_at"],
            "rolled_back_at": None,
            "text": TEXT,
            "progress": [{**_STEP, "state": "done", **_times(applied)}],
        },
    )
    listed = {
        "running": False,
        "migrations": [applied],
        "pending": [],
        "drift": {"tables": [], "columns": [], "differences": []},
    }
    assert await _answer(await admin.get("/v1/migrations")) == (200, listed)
    status, undone = await _answer(await admin.post("/v1/migrations/rollback", json={"checksum": plan["checksum"]}))
    expected = {
        **applied,
        "state": "rolled back",
        "done": 0,
        "rolled_back_at": undone["rolled_back_at"],
        "progress": [{**_STEP, "state": "undone", **_times(applied)}],
    }
    assert (status, undone) == (200, expected)
    assert (await _answer(await admin.get("/v1/migrations")))[1]["pending"] == [SQL]


async def test_refusals_are_problems(admin: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    problem = "urn:nexus:problem:"
    status, answer = await _answer(await admin.post("/v1/migrations/apply", json={"checksum": EMPTY}))
    found = (await _answer(await admin.post("/v1/migrations/plan")))[1]["checksum"]
    assert (status, answer["type"], answer["checksum"]) == (409, f"{problem}checksum-mismatch", found)
    status, answer = await _answer(await admin.post("/v1/migrations/rollback", json={}))
    assert (status, answer["type"]) == (409, f"{problem}nothing-to-roll-back")
    await database.execute("INSERT INTO parts (name) VALUES ('n1')")
    status, answer = await _answer(await admin.post("/v1/migrations/apply", json={"checksum": found}))
    assert (status, answer["type"]) == (409, f"{problem}migration-step-failed")
    status, answer = await _answer(await admin.post("/v1/migrations/apply", json={"checksum": found, "odd": 1}))
    assert (status, answer["type"]) == (422, f"{problem}invalid-request")


async def test_rows_are_lost_with_the_flag_only(admin: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await database.execute("DROP TABLE parts")
    plan = (await _answer(await admin.post("/v1/migrations/plan")))[1]
    assert (await admin.post("/v1/migrations/apply", json={"checksum": plan["checksum"]})).status == 200
    await database.execute("INSERT INTO parts (name) VALUES ('kept')")
    status, problem = await _answer(await admin.post("/v1/migrations/rollback", json={}))
    assert (status, problem["type"], problem["statements"]) == (
        409,
        "urn:nexus:problem:destructive-steps",
        ['DROP TABLE "parts"'],
    )
    assert await database.fetchval("SELECT count(*) FROM parts") == 1
    assert (await admin.post("/v1/migrations/rollback", json={"destructive": True})).status == 200
    assert await database.fetchval("SELECT to_regclass('parts')") is None


async def _apply(admin: aiohttp.ClientSession) -> None:
    plan = (await _answer(await admin.post("/v1/migrations/plan")))[1]
    assert (await admin.post("/v1/migrations/apply", json={"checksum": plan["checksum"]})).status == 200


@pytest.mark.parametrize("lacking", ["TABLE parts", "COLUMN name"])
async def test_rows_are_served_once_their_table_is_migrated(
    admin: aiohttp.ClientSession, database: asyncpg.Connection, lacking: str
) -> None:
    await database.execute("TRUNCATE parts")
    await database.execute(f"DROP {lacking}" if lacking.startswith("TABLE") else f"ALTER TABLE parts DROP {lacking}")
    for response in (await admin.get("/v1/indexedpart"), await admin.post("/v1/indexedpart", json={"name": "a"})):
        status, problem = await _answer(response)
        assert (status, problem["type"]) == (503, "urn:nexus:problem:not-migrated")
    await _apply(admin)
    assert (await admin.post("/v1/indexedpart", json={"name": "a"})).status == 201
    assert (await admin.get("/v1/indexedpart")).status == 200


async def test_a_request_that_meets_a_change_of_type_stores_nothing_and_can_be_repeated(
    admin: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("TRUNCATE parts; ALTER TABLE parts ALTER COLUMN name TYPE varchar")
    assert (await admin.post("/v1/indexedpart", json={"name": "before"})).status == 201
    await _apply(admin)
    status, problem = await _answer(
        await admin.post("/v1/indexedpart", json={"name": "meanwhile"}, headers={"Idempotency-Key": "one"})
    )
    assert (status, problem["type"]) == (503, "urn:nexus:problem:tables-changed")
    assert (await admin.post("/v1/indexedpart", json={"name": "after"})).status == 201
    assert [name for (name,) in await database.fetch("SELECT name FROM parts ORDER BY id")] == ["before", "after"]


@pytest.mark.usefixtures("engine")
async def test_the_command_line_loses_rows_with_the_flag_only(run: Run, database: asyncpg.Connection) -> None:
    digest = _ended(run("plan"))[1].splitlines()[-1].removeprefix("checksum: ")
    assert _ended(run("apply", digest))[0] == 0
    await database.execute("INSERT INTO parts (name) VALUES ('kept')")
    status, output, error = _ended(run("rollback"))
    assert (status, output) == (1, "")
    assert error.startswith('These steps lose data: DROP TABLE "parts". Allow it with the flag `destructive`, ')
    assert _ended(run("rollback", "--destructive"))[0] == 0
    assert await database.fetchval("SELECT to_regclass('parts')") is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/migrations"),
        ("POST", "/v1/migrations/plan"),
        ("POST", "/v1/migrations/apply"),
        ("POST", "/v1/migrations/rollback"),
    ],
)
async def test_migrations_need_the_scope_data_admin(client: aiohttp.ClientSession, method: str, path: str) -> None:
    response = await client.request(method, path, json={"checksum": EMPTY} if path.endswith("apply") else {})
    status, problem = await _answer(response)
    assert (status, problem["type"]) == (403, "urn:nexus:problem:insufficient-scope")


@pytest.mark.usefixtures("table")
async def test_the_command_line_plans_applies_shows_and_rolls_back(run: Run, database: asyncpg.Connection) -> None:
    size = await database.fetchval("SELECT pg_total_relation_size('parts')")
    status, output, error = _ended(run("plan"))
    digest = output.splitlines()[-1].removeprefix("checksum: ")
    cost = f"{TEXT.splitlines()[0]} (about 100 rows, {size} bytes)"
    assert (status, output, error) == (0, f"{cost}\n{SQL};\nchecksum: {digest}\n", "")
    assert _ended(run("apply", EMPTY)) == (
        1,
        "",
        (
            f"The plan has the checksum {digest}, not {EMPTY}: the models or the tables changed since it was shown. "
            "Plan again, and apply what is shown then.\n"
        ),
    )
    status, output, error = _ended(run("apply", digest))
    assert (status, output.split(" ")[:2], error) == (0, [digest, "applied"], "")
    assert _ended(run("status")) == (0, output, "")
    nothing = f"The tables are as the models declare them.\nchecksum: {EMPTY}\n"
    assert _ended(run("plan")) == (0, nothing, "")
    status, output, error = _ended(run("rollback"))
    assert (status, output.split(" ")[:3], error) == (0, [digest, "rolled", "back"], "")
    assert _ended(run("status")) == (0, f"{output}pending: {SQL}\n", "")


async def test_without_the_tables_of_the_service_the_command_line_says_what_to_run_first(
    run: Run, database: asyncpg.Connection
) -> None:
    status, output, error = _ended(run("plan"))
    assert (status, output) == (75, "")
    assert error.startswith("The tables of the service itself are missing: run `migrate` first. ")
    assert await database.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()") == 0


async def _statements(database: asyncpg.Connection) -> int:
    number: int = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND query LIKE 'CREATE UNIQUE INDEX%'"
    )
    return number


async def test_a_process_that_is_killed_while_it_makes_an_index_is_gone_on_with(
    table: Engine, run: Run, postgres_url: str, database: asyncpg.Connection
) -> None:
    digest = _ended(run("plan"))[1].splitlines()[-1].removeprefix("checksum: ")
    writer = await asyncpg.connect(postgres_url)
    async with writer.transaction():
        await writer.execute("UPDATE parts SET name = name")  # the index waits for the end of this transaction
        process = run("apply", digest)
        await until(lambda: indexes_of_parts(database), [("parts_name_key", False), ("parts_pkey", True)])
        second = _ended(run("apply", digest))
        assert (second[0], second[2]) == (
            1,
            "Another process applies or rolls back a plan now. Read the status until it has ended.\n",
        )
        process.kill()
        process.communicate()
        await until(lambda: _statements(database), 0)
    await writer.close()
    (unfinished,) = (await table.status({})).migrations
    assert (unfinished.state, unfinished.done) == ("applying", 0)
    assert await indexes_of_parts(database) == [("parts_name_key", False), ("parts_pkey", True)]
    status, output, error = _ended(run("apply", digest))
    assert (status, output.split(" ")[:2], error) == (0, [digest, "applied"], "")
    assert await indexes_of_parts(database) == [("parts_name_key", True), ("parts_pkey", True)]
    assert _ended(run("plan"))[1] == f"The tables are as the models declare them.\nchecksum: {EMPTY}\n"


@pytest.mark.usefixtures("table")
async def test_the_owner_changes_the_tables_where_the_role_of_the_service_may_not(
    make_settings: MakeSettings, run: Run, service_role: str, tmp_path: Path
) -> None:
    settings = make_settings()
    url, file = settings.postgres_url, tmp_path / "service_password"
    file.write_text("unit")
    service = {
        "NEXUS_POSTGRES_URL": url.replace(f"{service_role.removesuffix('_service')}@", f"{service_role}@"),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(file),
    }
    digest = _ended(run("plan"))[1].splitlines()[-1].removeprefix("checksum: ")
    assert _ended(run("apply", digest, **service)) == (
        1,
        "",
        f"`{SQL}` failed: must be owner of table parts. Nothing was changed.\n",
    )
    owner = {
        "NEXUS_POSTGRES_OWNER_URL": url,
        "NEXUS_POSTGRES_OWNER_PASSWORD_FILE": str(settings.postgres_password_file),
    }
    assert _ended(run("apply", digest, **service, **owner))[0] == 0
