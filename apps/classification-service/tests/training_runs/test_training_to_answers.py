"""The whole way: decisions, a run with the real training, activation, answers."""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import official_files as files
import pytest
from conftest import client_of
from training_setup import call, decide, train, trainer, until

from classification_service.training_runs.trainer import Limits
from classification_service.worker import fit_task
from nexus_testkit.issuer import Issuer

TRAINING_SECONDS = 300
AMPLE = Limits(1000, 64 * 1024**2)
DRILLS, BEARINGS = "27112703", "31171504"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is only in the image classification-trainer"
)


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


async def test_a_model_is_trained_on_decisions_and_answers(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    for number in range(8):
        await decide(client, f"frobnicator XK-{number} unit", DRILLS)
        await decide(client, f"whatsit QZ-{number} assembly", BEARINGS)
    run = await train(client)
    async with trainer(postgres_url, tmp_path, fit_task, limits=AMPLE):
        done = await until(client, run, "done", "failed", seconds=TRAINING_SECONDS)
    assert (done["state"], done["error"], done["labels"]) == ("done", None, 16)
    _, answer = await call(client, "GET", f"/models/{done['model']}/report")
    report = answer["report"]
    assert {"rows", "levels", "items_per_second", "confusion"} <= report.keys()
    assert set(report["levels"]) == {"segment", "family", "class", "commodity"}
    assert answer["model"]["accuracy"] == {"level": "commodity", "share": report["levels"]["commodity"]["accuracy"]}
    status, problem = await call(client, "POST", f"/models/{done['model']}/activate", json={})
    assert status == 200, problem
    body = {"taxonomy": "unspsc", "items": [{"text": "frobnicator XK-99"}, {"text": "whatsit QZ-99"}]}
    while True:
        _, answer = await call(client, "POST", "/classify", json=body)
        if answer["items"][0]["model_version"] == f"{done['model']}+unspsc-starter-1":
            break
    assert [item["candidates"][0]["code"] for item in answer["items"]] == [DRILLS, BEARINGS]


async def test_too_few_decisions_are_refused_in_words(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    await decide(client, "frobnicator XK-1", DRILLS)
    run = await train(client)
    async with trainer(postgres_url, tmp_path, fit_task, limits=AMPLE):
        ended = await until(client, run, "done", "failed", seconds=TRAINING_SECONDS)
    assert (ended["state"], ended["error"]) == (
        "failed",
        (
            "A model needs 10 different labelled texts or more. There are 1 with a text and a code of unspsc starter-1, of 1 "
            "given. Label more."
        ),
    )


async def test_an_imported_version_is_trained_for_with_its_synonyms_and_vectors(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    content = files.xlsx([*files.NOTICES, files.WIDE, *files.COMMODITIES])
    headers = {"Content-Type": "application/octet-stream"}
    query = {"taxonomy": "unspsc", "version": "26.0801"}
    status, answer = await call(client, "POST", "/taxonomies/import", params=query, data=content, headers=headers)
    assert status == 201, answer
    while (await call(client, "GET", "/taxonomies/unspsc/26.0801"))[1]["state"] != "ready":
        pass
    items = [{"text": f"frobnicator XK-{number}", "code": "27112703"} for number in range(12)]
    body = {"taxonomy": "unspsc", "version": "26.0801", "items": items}
    assert (await call(client, "POST", "/feedback", json=body))[0] == 200
    status, run = await call(client, "POST", "/models/train", json={"taxonomy": "unspsc", "version": "26.0801"})
    assert status == 202, run
    async with trainer(postgres_url, tmp_path, fit_task, limits=AMPLE):
        done = await until(client, run, "done", "failed", seconds=TRAINING_SECONDS)
    assert (done["state"], done["error"]) == ("done", None)
    status, problem = await call(client, "POST", f"/models/{done['model']}/activate", json={})
    assert status == 200, problem
    body = {"taxonomy": "unspsc", "version": "26.0801", "items": [{"text": "frobnicator XK-99"}]}
    while True:
        _, answer = await call(client, "POST", "/classify", json=body)
        if answer["items"][0]["model_version"] == f"{done['model']}+unspsc-26.0801":
            break
    assert answer["items"][0]["candidates"][0]["code"] == "27112703"
