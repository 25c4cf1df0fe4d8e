import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from models_setup import (
    OWN,
    TITLES,
    activate,
    client_of,
    put,
    trained,
    until,
    until_answered_by,
    until_health,
    until_ready,
    version_of,
)
from training_setup import call

from nexus_testkit.issuer import Issuer

type Clients = tuple[aiohttp.ClientSession, aiohttp.ClientSession]


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
async def two_processes(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(client_of(issuer, "classify", "admin", **database_settings)) for _ in "12"
        ]
        yield first, second


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


async def test_every_process_follows_an_activation_while_requests_go_on(
    two_processes: Clients, postgres_url: str
) -> None:
    models = [await put(postgres_url, accuracy) for accuracy in (0.5, 0.6, 0.7)]
    versions: list[set[str]] = []
    ended = asyncio.Event()

    async def ask(client: aiohttp.ClientSession, worker: int) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            items = [{"text": f"hammer {worker} {number} {item}"} for item in range(40)]
            status, answer = await call(client, "POST", "/classify", json={"taxonomy": "unspsc", "items": items})
            assert status == 200, answer
            assert [item["error"] for item in answer["items"]] == [None] * 40
            versions.append({item["model_version"].removesuffix("+unspsc-starter-1") for item in answer["items"]})

    async with asyncio.TaskGroup() as group:
        for worker in range(4):
            group.create_task(ask(two_processes[worker % 2], worker))
        for model in models:
            assert (await activate(two_processes[0], model))[0] == 200
            for client in two_processes:
                await until_answered_by(client, model)
        ended.set()
    assert {len(of_answer) for of_answer in versions} == {
        1
    }  # an answer is of one model, also where it was switched meanwhile
    assert set.union(*versions) >= set(models)


async def test_a_process_that_starts_answers_by_the_model_from_the_beginning(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        model = await put(postgres_url, 0.5)
        await activate(client, model)
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        await until_ready(client)
        assert await version_of(client) == model


async def test_going_back_is_an_activation_of_the_model_before(two_processes: Clients, postgres_url: str) -> None:
    first, second = two_processes
    before, after = await put(postgres_url, 0.6), await put(postgres_url, 0.7)
    for model, force in ((before, False), (after, False), (before, True), (OWN, False)):
        assert (await activate(first, model, force=force))[0] == 200
        await until_answered_by(second, TITLES if model == OWN else model)
    _, answer = await call(first, "GET", "/models")
    moves = [(move["model"], move["forced"]) for move in answer["activations"]]
    assert moves == [(None, False), (before, True), (after, False), (before, False)]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("unusable", "ZeroDivisionError: a fault of opening"),
        (
            "another encoder",
            (
                "The model {} was trained with the encoders another and use-multilingual-v3, and this service has "
                "all-minilm-l6-v2 and use-multilingual-v3. Train a model with these."
            ),
        ),
    ],
)
async def test_a_model_that_cannot_be_used_leaves_the_one_before(
    two_processes: Clients, postgres_url: str, name: str, fault: str
) -> None:
    good, other = await put(postgres_url, 0.5), await put(postgres_url, 0.6, name=name)
    await activate(two_processes[0], good)
    for client in two_processes:
        await until_answered_by(client, good)
    assert (await activate(two_processes[0], other))[0] == 200
    for client in two_processes:
        await until_health(client, "degraded", f"ModelsNotOpenedError: {fault.format(other)}"[:200])
        assert await version_of(client) == good


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"cut", "it has 3 bytes instead of 10"),
        (b"0123456789", f"its SHA-256 is {sha256(b'0123456789')} instead of {sha256(bytes(10))}"),
    ],
    ids=["cut off", "other bytes"],
)
async def test_a_damaged_model_leaves_the_one_before(
    two_processes: Clients, postgres_url: str, content: bytes, fault: str
) -> None:
    good, damaged = await put(postgres_url, 0.5), await put(postgres_url, 0.6)
    await activate(two_processes[0], good)
    for client in two_processes:
        await until_answered_by(client, good)
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("ALTER TABLE model_parts DISABLE TRIGGER model_parts_do_not_change")
    await connection.execute("UPDATE model_parts SET content = $2 WHERE model_id = $1 AND file = 1", damaged, content)
    await connection.close()
    assert (await activate(two_processes[0], damaged))[0] == 200
    error = f"ModelsNotOpenedError: the file weights of the model {damaged} is damaged: {fault}"
    for client in two_processes:
        await until_health(client, "degraded", error[:200])
        assert await version_of(client) == good
    (serving,) = [model for model in await trained(two_processes[0]) if model["serving"]]
    assert (serving["id"], serving["loaded"]) == (damaged, False)
    await activate(two_processes[0], good, force=True)
    for client in two_processes:
        await until_health(client, "ok", None)


def damage(folder: Path, model: str) -> None:
    (weights,) = folder.glob(f"nexus-models-*/{model}/weights")
    weights.write_bytes(b"another file")


def folders(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("nexus-models-*/*") if path.is_dir()]


async def test_files_that_were_damaged_on_the_disk_are_fetched_again(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str, tmp_path: Path
) -> None:
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        model = await put(postgres_url, 0.5)
        await activate(client, model)
        await until_answered_by(client, model)
        damage(tmp_path, model)
        async with client_of(issuer, "classify", "admin", **database_settings) as second:
            await until_health(
                second,
                "degraded",
                f"ModelsNotOpenedError: the file weights of the model {model} is damaged: it has 12 bytes instead of 10",
            )
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        await until_answered_by(client, model)


async def test_files_of_models_that_serve_no_more_are_deleted(
    client: aiohttp.ClientSession, postgres_url: str, tmp_path: Path
) -> None:
    first, second = await put(postgres_url, 0.5), await put(postgres_url, 0.6)
    for model in (first, second):
        await activate(client, model)
        await until_answered_by(client, model)

    async def only_the_second() -> bool:
        return folders(tmp_path) == [second]

    await until(only_the_second)
