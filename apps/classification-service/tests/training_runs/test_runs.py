import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import fake_fits
import pytest
from conftest import client_of
from training_setup import DRILLS, PAPER, SECONDS, call, decide, file_of, get, headers_of, train, trainer, until

from classification_service.training_runs.models import Fit
from classification_service.training_runs.trainer import Limits
from nexus_testkit.issuer import Issuer

NO_TRAINER = (
    "No trainer has shown itself lately, so that this run waits. Start one: docker compose --file docker-compose.production.yml "
    "--profile training up --detach classification-trainer"
)


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


async def test_a_run_trains_on_what_people_decided(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    await decide(client, "XK-7 frobnicator", DRILLS)
    run = await train(client, seed=42)
    async with trainer(postgres_url, tmp_path):
        done = await until(client, run, "done", "failed")
    assert done["model"] is not None
    assert done == {
        "id": run["id"],
        "taxonomy": "unspsc",
        "version": "starter-1",
        "seed": 42,
        "state": "done",
        "share": 1,
        "attempts": 1,
        "labels": 1,
        "model": done["model"],
        "error": None,
        "faults": [],
        "requested_by": run["requested_by"],
        "created_at": run["created_at"],
        "started_at": done["started_at"],
        "ended_at": done["ended_at"],
        "trainer": {"running": True, "seen_at": done["trainer"]["seen_at"], "notice": None},
    }
    assert await file_of(postgres_url, done["model"]) == f"42\n{DRILLS} XK-7 frobnicator"
    assert f"{DRILLS} Power drills | " in await file_of(postgres_url, done["model"], 1)
    assert (tmp_path / "heartbeat").exists()


async def test_a_run_that_waits_says_how_a_trainer_is_started(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    await decide(client, "XK-7 frobnicator", DRILLS)
    run = await train(client)
    waiting = {"running": False, "seen_at": None, "notice": NO_TRAINER}
    assert (run["state"], run["trainer"]) == ("queued", waiting)
    assert (await get(client, run))["trainer"] == waiting
    await decide(client, "XK-8 frobnicator", PAPER)  # feedback is taken all the same
    async with trainer(postgres_url, tmp_path):
        assert (await until(client, run, "done"))["trainer"]["notice"] is None
    assert (await get(client, run))["trainer"]["running"] is False


async def test_a_correction_during_a_run_counts_at_once_and_in_the_next_run(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "release"
    monkeypatch.setenv(fake_fits.RELEASE, str(release))
    await decide(client, "XK-7 frobnicator", DRILLS)
    first = await train(client)
    async with trainer(postgres_url, tmp_path, fake_fits.patient):
        await until(client, first, "running", share=0.05)
        await decide(client, "XK-8 frobnicator", PAPER)
        body = {"taxonomy": "unspsc", "items": [{"text": "XK-8 frobnicator"}]}
        _, answer = await call(client, "POST", "/classify", json=body)
        assert (answer["items"][0]["code"], answer["items"][0]["source"]) == (PAPER, "human")
        release.touch()
        assert (await until(client, first, "done"))["labels"] == 1
        second = await train(client)
        assert (await until(client, second, "done"))["labels"] == 2


async def test_the_same_labels_and_seed_give_the_same_model(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    async with trainer(postgres_url, tmp_path):
        models = [(await until(client, await train(client, seed), "done"))["model"] for seed in (1, 1, 2)]
    assert models[0] == models[1] != models[2]
    _, listed = await call(client, "GET", "/models")
    assert {model["id"] for model in listed["trained"]} == set(models)


async def test_many_trainers_train_each_run_once(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    runs = [await train(client, seed) for seed in range(5)]
    async with trainer(postgres_url, tmp_path), trainer(postgres_url, tmp_path), trainer(postgres_url, tmp_path):
        ended = [await until(client, run, "done", "failed") for run in runs]
    assert [(run["state"], run["attempts"], run["faults"]) for run in ended] == [("done", 1, [])] * 5
    assert len({run["model"] for run in ended}) == 5


async def test_a_run_is_cancelled_while_it_waits_and_while_it_trains(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = tmp_path / "release"
    monkeypatch.setenv(fake_fits.RELEASE, str(release))
    waiting = await train(client)
    assert await call(client, "DELETE", f"/models/runs/{waiting['id']}") == (204, None)
    assert (await get(client, waiting))["state"] == "cancelled"
    running = await train(client)
    async with trainer(postgres_url, tmp_path, fake_fits.patient):
        await until(client, running, "running", share=0.05)
        assert await call(client, "DELETE", f"/models/runs/{running['id']}") == (204, None)
        following = await train(client)
        await until(client, following, "running", share=0.05)  # the trainer has ended the cancelled one
        release.touch()
        assert (await until(client, following, "done"))["model"]
    cancelled = await get(client, running)
    assert (cancelled["state"], cancelled["model"]) == ("cancelled", None)
    assert await call(client, "DELETE", f"/models/runs/{running['id']}") == (204, None)
    status, problem = await call(client, "GET", f"/models/runs/{running['id']}")
    assert (status, problem["type"]) == (404, "urn:nexus:problem:unknown-run")


@pytest.mark.parametrize(
    ("fit", "attempts", "error", "faults"),
    [
        (fake_fits.refusing, 1, "0 rows are too few.", []),
        (
            fake_fits.huge,
            1,
            "The model has 200000 bytes, and may have 100000. Raise CLASSIFICATION_MODEL_BYTES of the trainer.",
            [],
        ),
        (
            fake_fits.failing,
            3,
            "It was begun 3 times. The last fault: ZeroDivisionError: a fault of training",
            [f"attempt {number}: ZeroDivisionError: a fault of training" for number in (1, 2, 3)],
        ),
        (
            fake_fits.killed,
            3,
            (
                "It was begun 3 times. The last fault: the process that trains was killed, as happens where a container has no "
                "memory left"
            ),
            [
                f"attempt {number}: the process that trains was killed, as happens where a container has no memory left"
                for number in (1, 2, 3)
            ],
        ),
    ],
    ids=["refused", "too large", "failed", "killed"],
)
async def test_a_run_that_cannot_be_done_says_why(
    client: aiohttp.ClientSession,
    postgres_url: str,
    tmp_path: Path,
    *,
    fit: Fit,
    attempts: int,
    error: str,
    faults: list[str],
) -> None:
    run = await train(client)
    async with trainer(postgres_url, tmp_path, fit):
        ended = await until(client, run, "failed", "done")
    assert {key: ended[key] for key in ("state", "attempts", "error", "faults", "model")} == {
        "state": "failed",
        "attempts": attempts,
        "error": error,
        "faults": faults,
        "model": None,
    }
    _, listed = await call(client, "GET", "/models")
    assert listed["trained"] == []


async def test_of_more_labels_than_a_run_takes_the_newest_of_each_code_are_taken(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    await decide(client, "XK-9 frobnicator", PAPER)
    for number in range(3):
        await decide(client, f"XK-{number} frobnicator", DRILLS)
    run = await train(client)
    async with trainer(postgres_url, tmp_path, limits=Limits(2, 100_000)):
        done = await until(client, run, "failed", "done")
    assert done["labels"] == 2
    learned = await file_of(postgres_url, done["model"])
    assert sorted(learned.splitlines()) == [f"{PAPER} XK-9 frobnicator", f"{DRILLS} XK-2 frobnicator", "50"]


async def test_unfinished_runs_of_a_tenant_are_limited(client: aiohttp.ClientSession, issuer: Issuer) -> None:
    for seed in range(5):
        await train(client, seed)
    assert await call(client, "POST", "/models/train", json={"taxonomy": "unspsc"}) == (
        429,
        {
            "type": "urn:nexus:problem:too-many-runs",
            "title": "You have too many runs",
            "status": 429,
            "detail": "You have 5 runs of training that are not finished, as many as allowed. Wait for one, or cancel one.",
            "limit": 5,
        },
    )
    await train(client, headers=headers_of(issuer, "other"))


async def test_runs_are_of_their_tenant(
    client: aiohttp.ClientSession, issuer: Issuer, postgres_url: str, tmp_path: Path
) -> None:
    north, south = headers_of(issuer, "north"), headers_of(issuer, "south")
    await decide(client, "XK-7 frobnicator", DRILLS, headers=north)
    await decide(client, "XK-8 frobnicator", PAPER, headers=south)
    run = await train(client, headers=north)
    async with trainer(postgres_url, tmp_path):
        async with asyncio.timeout(SECONDS):
            while (done := await get(client, run, headers=north))["state"] != "done":  # noqa: ASYNC110  another task's work
                await asyncio.sleep(0.05)
    assert await file_of(postgres_url, done["model"]) == f"50\n{DRILLS} XK-7 frobnicator"
    for method in ("GET", "DELETE"):
        status, problem = await call(client, method, f"/models/runs/{run['id']}", headers=south)
        assert (status, problem["type"]) == (404, "urn:nexus:problem:unknown-run")
    for headers, runs in ((north, [run["id"]]), (south, [])):
        _, page = await call(client, "GET", "/models/runs", headers=headers)
        assert [item["id"] for item in page["items"]] == runs


async def test_runs_are_listed_in_pages_the_latest_first(client: aiohttp.ClientSession) -> None:
    runs = [(await train(client, seed))["id"] for seed in range(5)]
    _, first = await call(client, "GET", "/models/runs", params={"limit": 3})
    _, second = await call(client, "GET", "/models/runs", params={"limit": 3, "after": first["next"]})
    assert [item["id"] for page in (first, second) for item in page["items"]] == runs[::-1]
    assert second["next"] is None


async def test_only_administrators_have_models_trained(client: aiohttp.ClientSession, issuer: Issuer) -> None:
    headers = headers_of(issuer, "north", "classify")
    for method, path in (("POST", "/models/train"), ("DELETE", f"/models/runs/{uuid4()}")):
        body = {"json": {"taxonomy": "unspsc"}} if method == "POST" else {}
        status, problem = await call(client, method, path, headers=headers, **body)
        assert (status, problem["type"]) == (403, "urn:nexus:problem:insufficient-scope")
    assert (await call(client, "GET", "/models/runs", headers=headers))[0] == 200


async def test_a_taxonomy_that_is_not_loaded_is_not_trained_for(client: aiohttp.ClientSession) -> None:
    status, problem = await call(client, "POST", "/models/train", json={"taxonomy": "unspsc", "version": "26.0801"})
    assert (status, problem["type"]) == (404, "urn:nexus:problem:unknown-taxonomy")


async def test_without_a_database_there_are_no_runs(issuer: Issuer) -> None:
    async with client_of(issuer, "classify", "admin") as client:
        for method, path in (("GET", "/models/runs"), ("POST", "/models/train")):
            body = {"json": {"taxonomy": "unspsc"}} if method == "POST" else {}
            status, problem = await call(client, method, path, **body)
            assert (status, problem["type"]) == (409, "urn:nexus:problem:no-database")
