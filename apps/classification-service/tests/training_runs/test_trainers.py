"""Trainers that are killed, that end, and that are taken for dead: each run is done once."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import fake_fits
import pytest
from conftest import client_of
from training_setup import DRILLS, call, decide, file_of, get, train, trainer, trainer_process, until

from nexus_testkit.issuer import Issuer


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


async def silence(postgres_url: str) -> None:
    """Make the trainers look as if they had been silent for a while."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("UPDATE training_runs SET beat_at = now() - interval '1 minute' WHERE state = 'running'")
    await connection.close()


async def test_a_run_whose_trainer_is_killed_is_taken_up_again(
    client: aiohttp.ClientSession, database_settings: dict[str, object], postgres_url: str, tmp_path: Path
) -> None:
    await decide(client, "XK-7 frobnicator", DRILLS)
    run = await train(client)
    with trainer_process(database_settings, "patient", tmp_path) as process:
        await until(client, run, "running", share=0.05)
        process.kill()
        process.wait()
    await silence(postgres_url)
    async with trainer(postgres_url, tmp_path):
        done = await until(client, run, "done", "failed")
    assert (done["state"], done["attempts"], len(done["faults"])) == ("done", 2, 1)
    assert done["faults"][0].startswith("attempt 1: its trainer has not shown itself since 2")
    assert await file_of(postgres_url, done["model"]) == f"50\n{DRILLS} XK-7 frobnicator"


async def test_a_run_whose_trainers_are_killed_again_and_again_fails(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    run = await train(client)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(
        "UPDATE training_runs SET state = 'running', attempts = 3, claim = 'a', beat_at = '2026-01-02 03:04:05+00'"
    )
    await connection.close()
    async with trainer(postgres_url, tmp_path):
        ended = await until(client, run, "done", "failed")
    fault = "attempt 3: its trainer has not shown itself since 2026-01-02 03:04:05 UTC"
    assert (ended["state"], ended["faults"]) == ("failed", [fault])
    assert ended["error"] == f"It was begun 3 times, and never ended. The last fault: {fault}."


async def test_a_trainer_that_ends_puts_its_run_back_into_the_queue(
    client: aiohttp.ClientSession, database_settings: dict[str, object], postgres_url: str, tmp_path: Path
) -> None:
    run = await train(client)
    with trainer_process(database_settings, "patient", tmp_path) as process:
        await until(client, run, "running", share=0.05)
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 10) == 0, process.stderr
    waiting = await get(client, run)
    assert (waiting["state"], waiting["attempts"], waiting["share"], waiting["trainer"]["running"]) == (
        "queued",
        0,
        0,
        False,
    )
    async with trainer(postgres_url, tmp_path):
        done = await until(client, run, "done", "failed")
    assert (done["state"], done["attempts"], done["faults"]) == ("done", 1, [])


async def test_a_trainer_that_was_taken_for_dead_leaves_the_run_to_the_other(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "release"
    monkeypatch.setenv(fake_fits.RELEASE, str(release))
    run = await train(client)
    async with trainer(postgres_url, tmp_path, fake_fits.patient):
        await until(client, run, "running", share=0.05)
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("UPDATE training_runs SET claim = 'another', share = 0")
        await asyncio.sleep(1.5)
        release.touch()
        await asyncio.sleep(1.5)
        rows = await connection.fetch("SELECT state, claim, model_id FROM training_runs")
        await connection.close()
    assert [tuple(row) for row in rows] == [("running", "another", None)]
    _, listed = await call(client, "GET", "/models")
    assert listed["trained"] == []
