"""Plans that are applied behind an answer: their progress, their failures, and the end of the service meanwhile."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from conftest import MakeSettings, serving_client
from parts import Engine, indexes_of_parts, until
from yarl import URL

from nexus_testkit import Issuer, ServiceProcess

ASYNC = {"Prefer": "wait=5, respond-async"}
TABLE = """
CREATE TABLE parts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO parts (name) SELECT 'n' || n FROM generate_series(1, 100) AS n
"""
ADDED, MADE = "add column", "create index"


@pytest.fixture
async def table(engine: Engine, database: asyncpg.Connection) -> Engine:
    """The table of the package indexed_parts, without its column row_version and its index."""
    await database.execute(TABLE)
    return engine


@pytest.fixture
async def admin(
    make_settings: MakeSettings,
    issuer: Issuer,
    table: Engine,  # noqa: ARG001 - needed for its effect
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the model of indexed_parts."""
    token = issuer.mint("dataflow-service", {"data:admin"})
    async with serving_client(make_settings(models="indexed_parts"), token) as session:
        yield session


@pytest.fixture
async def writer(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody whose transactions an index waits for."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


async def _begin(admin: aiohttp.ClientSession) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    plan = json.loads(await (await admin.post("/v1/migrations/plan")).text())
    response = await admin.post("/v1/migrations/apply", json={"checksum": plan["checksum"]}, headers=ASYNC)
    return response, json.loads(await response.text())


async def _status(admin: aiohttp.ClientSession) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await (await admin.get("/v1/migrations")).text())
    return found


async def _states(admin: aiohttp.ClientSession) -> tuple[object, ...]:
    """Whether somebody changes tables, the state of the last plan, and what is done, running and so on of it."""
    status = await _status(admin)
    last = status["migrations"][:1]
    return (
        status["running"],
        *(one["state"] for one in last),
        *(step["state"] for one in last for step in one["progress"]),
    )


async def test_an_answer_before_the_end_says_where_progress_is_shown_step_by_step(
    admin: aiohttp.ClientSession, writer: asyncpg.Connection
) -> None:
    async with writer.transaction(isolation="repeatable_read"):
        await writer.execute("SELECT FROM model_migrations")  # a snapshot whose end the index waits for
        response, answer = await _begin(admin)
        headers = {name: response.headers[name] for name in ("Location", "Preference-Applied", "Vary")}
        assert (response.status, headers) == (
            202,
            {"Location": "../migrations", "Preference-Applied": "respond-async", "Vary": "Prefer"},
        )
        assert response.url.join(URL(response.headers["Location"])).path == "/v1/migrations"
        assert (answer["state"], answer["steps"], [step["action"] for step in answer["progress"]]) == (
            "applying",
            2,
            [ADDED, MADE],
        )
        refused = await admin.post("/v1/migrations/apply", json={"checksum": answer["checksum"]}, headers=ASYNC)
        assert (refused.status, (await refused.json(content_type=None))["type"]) == (
            409,
            "urn:nexus:problem:migration-running",
        )
    await until(lambda: _states(admin), (False, "applied", "done", "done"))
    (applied,) = (await _status(admin))["migrations"]
    assert applied["progress"] == [
        {
            "action": action,
            "table": "parts",
            "state": "done",
            "started_at": step["started_at"],
            "seconds": step["seconds"],
            "error": None,
        }
        for action, step in zip([ADDED, MADE], applied["progress"], strict=True)
    ]
    assert all(0 <= step["seconds"] < 60 for step in applied["progress"])


async def test_an_index_that_waits_is_shown_as_running(
    admin: aiohttp.ClientSession, writer: asyncpg.Connection
) -> None:
    async with writer.transaction(isolation="repeatable_read"):
        await writer.execute("SELECT FROM model_migrations")  # a snapshot whose end the index waits for
        assert (await _begin(admin))[0].status == 202
        await until(lambda: _states(admin), (True, "applying", "done", "running"))
        running = (await _status(admin))["migrations"][0]["progress"][1]
        assert (running["seconds"], running["error"]) == (None, None)
    await until(lambda: _states(admin), (False, "applied", "done", "done"))


async def test_what_fails_later_is_read_in_the_status(
    admin: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO parts (name) VALUES ('n1')")
    assert (await _begin(admin))[0].status == 202
    await until(lambda: _states(admin), (False, "applying", "done", "failed"))
    failed = (await _status(admin))["migrations"][0]["progress"][1]
    assert failed["error"] == (
        '`CREATE UNIQUE INDEX CONCURRENTLY "parts_name_key" ON "parts" ("name")` failed: rows have the same "name"; find '
        'them by `SELECT "name" FROM "parts" GROUP BY "name" HAVING count(*) > 1`. 1 of 2 steps are in effect: remove '
        "the cause, then apply the same plan again, or roll it back."
    )
    await database.execute("DELETE FROM parts WHERE id = 101")
    assert (await _begin(admin))[0].status == 202
    await until(lambda: _states(admin), (False, "applied", "done", "done"))


async def test_a_plan_of_which_nothing_took_effect_is_kept_as_failed_and_in_nobodys_way(
    admin: aiohttp.ClientSession, writer: asyncpg.Connection
) -> None:
    async with writer.transaction():
        await writer.execute("LOCK TABLE parts IN SHARE MODE")
        assert (await _begin(admin))[0].status == 202
        await until(lambda: _states(admin), (False, "failed", "failed", "pending"))
    failed = (await _status(admin))["migrations"][0]["progress"][0]
    assert failed["error"].endswith("did not get its lock. Nothing was changed.")
    assert (await _begin(admin))[0].status == 202
    await until(lambda: _states(admin), (False, "applied", "done", "done"))
    assert [one["state"] for one in (await _status(admin))["migrations"]] == ["applied", "failed"]


async def test_what_is_refused_is_refused_at_once_and_what_is_done_already_is_answered(
    admin: aiohttp.ClientSession,
) -> None:
    response = await admin.post("/v1/migrations/apply", json={"checksum": "0" * 64}, headers=ASYNC)
    assert (response.status, (await response.json(content_type=None))["type"]) == (
        409,
        "urn:nexus:problem:checksum-mismatch",
    )
    assert (await _begin(admin))[0].status == 202
    await until(lambda: _states(admin), (False, "applied", "done", "done"))
    response, answer = await _begin(admin)
    assert (response.status, answer["state"]) == (200, "applied")


type Stage = tuple[dict[str, str], dict[str, str]]


@pytest.fixture
def stage(
    environment: dict[str, str],
    issuer: Issuer,
    table: Engine,  # noqa: ARG001 - needed for its effect
) -> Stage:
    """Environment of a service process with the model of indexed_parts, and the header field of who may migrate."""
    path = f"{environment['PYTHONPATH']}:{Path(__file__).parent / 'fixtures'}"
    ours = {"PYTHONPATH": path, "DATAFLOW_MODELS": "indexed_parts", "NEXUS_SHUTDOWN_SECONDS": "2"}
    return {**environment, **ours}, {"Authorization": f"Bearer {issuer.mint('dataflow-service', {'data:admin'})}"}


@pytest.mark.parametrize(
    ("headers", "end"),
    [(ASYNC, signal.SIGTERM), (ASYNC, signal.SIGKILL), ({}, signal.SIGTERM), ({}, signal.SIGKILL)],
    ids=["asynchronous-term", "asynchronous-kill", "synchronous-term", "synchronous-kill"],
)
async def test_a_service_that_ends_leaves_a_plan_that_is_gone_on_with(
    stage: Stage, writer: asyncpg.Connection, database: asyncpg.Connection, headers: dict[str, str], end: signal.Signals
) -> None:
    variables, token = stage
    process = await asyncio.to_thread(_started, variables)
    async with (
        writer.transaction(isolation="repeatable_read"),
        aiohttp.ClientSession(process.url, headers=token) as admin,
    ):
        await writer.execute("SELECT FROM model_migrations")  # the index waits for the end of this snapshot
        plan = json.loads(await (await admin.post("/v1/migrations/plan")).text())
        body = {"checksum": plan["checksum"]}
        applying = asyncio.create_task(admin.post("/v1/migrations/apply", json=body, headers=headers))
        await until(lambda: _states(admin), (True, "applying", "done", "running"))
        _signal(process.process.pid, end)
        status, _, _ = await asyncio.to_thread(process.outcome)
        await asyncio.wait({applying})
        assert applying.exception() is not None or (await applying).status == (202 if headers else 503)
        assert status == (0 if end == signal.SIGTERM else -signal.SIGKILL)
        await until(lambda: _sessions(database), 0)
        assert await indexes_of_parts(database) == [("parts_name_key", False), ("parts_pkey", True)]
    process = await asyncio.to_thread(_started, variables)
    async with aiohttp.ClientSession(process.url, headers=token) as admin:
        assert await _states(admin) == (False, "applying", "done", "interrupted")
        assert (await _begin(admin))[1]["checksum"] == plan["checksum"]
        await until(lambda: _states(admin), (False, "applied", "done", "done"))
    assert (await asyncio.to_thread(process.stop))[0] == 0
    assert await indexes_of_parts(database) == [("parts_name_key", True), ("parts_pkey", True)]
    assert await database.fetchval("SELECT array_agg(state) FROM model_migrations") == ["applied"]


def _signal(supervisor: int, end: signal.Signals) -> None:
    """Ask a service to end, or kill all its processes: a worker would outlive its supervisor while a request waits."""
    workers = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    for process in [supervisor, *(map(int, workers) if end == signal.SIGKILL else ())]:
        os.kill(process, end)


def _started(environment: dict[str, str]) -> ServiceProcess:
    process = ServiceProcess(["-m", "dataflow_service"], environment)
    process.wait_until_it_answers()
    return process


async def _sessions(database: asyncpg.Connection) -> int:
    """Who still makes the index."""
    number: int = await database.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND query LIKE 'CREATE UNIQUE INDEX%'"
    )
    return number
