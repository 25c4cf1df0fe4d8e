import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import official_files as files
import pytest
from conftest import client_of as real_client_of
from fake_models import open_fake
from llm_setup import database_at
from training_setup import SECONDS, call, headers_of, train

from classification_service.model_registry.models import Line, Origin
from classification_service.model_registry.service import NewModel, register
from nexus_testkit.issuer import Issuer

TITLES = "all-minilm-l6-v2"
OWN = f"{TITLES}+unspsc-starter-1"
STARTER = Line("unspsc", "starter-1", "", "")
client_of = partial(real_client_of, open_model=open_fake)
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


async def put(
    postgres_url: str,
    accuracy: float,
    *,
    line: Line = STARTER,
    name: str = "",
    size: int = 10,
) -> str:
    """Register a model of that accuracy, as a trainer does."""
    report: dict[str, object] = {
        "rows": 50,
        "levels": {"segment": {"accuracy": 0.9}, "commodity": {"accuracy": accuracy}},
    }
    new = NewModel({"name": f"{name}{accuracy}".encode(), "weights": bytes(size)}, report)
    origin = Origin(labels=7, generation=3, seed=1, parent=None, created_by="trainer")
    async with database_at(postgres_url) as database, database.unit_of_work() as work:
        return await register(work, line, new, origin, limit=10_000_000)


async def activate(client: aiohttp.ClientSession, model: str, **options: Any) -> tuple[int, Any]:  # noqa: ANN401  JSON
    force = options.pop("force", False)
    return await call(client, "POST", f"/models/{model}/activate", json={"force": force}, **options)


async def version_of(client: aiohttp.ClientSession, **options: Any) -> str:  # noqa: ANN401  as above
    body = {"taxonomy": "unspsc", "items": [{"text": "cordless drill"}], **options.pop("body", {})}
    status, answer = await call(client, "POST", "/classify", json=body, **options)
    assert status == 200, answer
    found: str = answer["items"][0]["model_version"]
    return found.removesuffix("+unspsc-starter-1").removesuffix("+unspsc-26.0801")


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110  what another process does
            await asyncio.sleep(0.05)


async def until_answered_by(client: aiohttp.ClientSession, model: str, **options: Any) -> None:  # noqa: ANN401  as above
    async def answers() -> bool:
        return await version_of(client, **options) == model

    await until(answers)


async def health_of(client: aiohttp.ClientSession) -> tuple[str, str | None]:
    async with client.get("/health") as response:
        report = await response.json()
        return report["status"], report["checks"]["models"].get("error")


async def until_health(client: aiohttp.ClientSession, status: str, error: str | None) -> None:
    async def is_so() -> bool:
        return await health_of(client) == (status, error)

    await until(is_so)


async def trained(client: aiohttp.ClientSession, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401  as above
    status, answer = await call(client, "GET", "/models", **options)
    assert status == 200, answer
    found: list[dict[str, Any]] = answer["trained"]
    return found


async def test_models_are_listed_with_which_of_them_serves(client: aiohttp.ClientSession, postgres_url: str) -> None:
    model = await put(postgres_url, 0.6)
    (before,) = await trained(client)
    assert before == {
        "id": model,
        "kind": "trained",
        "taxonomy": "unspsc",
        "taxonomy_version": "starter-1",
        "serving": False,
        "loaded": False,
        "accuracy": {"level": "commodity", "share": 0.6},
        "labels": 7,
        "seed": 1,
        "parent": None,
        "bytes": 13,
        "created_by": "trainer",
        "created_at": before["created_at"],
    }
    assert (await activate(client, model))[0] == 200
    await until_answered_by(client, model)
    _, answer = await call(client, "GET", "/models")
    assert answer["trained"] == [before | {"serving": True, "loaded": True}]
    assert {own["id"]: own["serving"] for own in answer["models"]} == {
        OWN: False,
        "all-minilm-l6-v2+etim-starter-1": True,
    }
    (activation,) = answer["activations"]
    assert activation == {
        "taxonomy": "unspsc",
        "taxonomy_version": "starter-1",
        "model": model,
        "forced": False,
        "activated_by": activation["activated_by"],
        "activated_at": activation["activated_at"],
    }


async def test_the_report_is_what_was_measured(client: aiohttp.ClientSession, postgres_url: str) -> None:
    model = await put(postgres_url, 0.6)
    status, answer = await call(client, "GET", f"/models/{model}/report")
    assert (status, answer["model"], answer["report"]) == (
        200,
        (await trained(client))[0],
        {"rows": 50, "levels": {"segment": {"accuracy": 0.9}, "commodity": {"accuracy": 0.6}}},
    )
    for name in (OWN, "0" * 32):
        assert await call(client, "GET", f"/models/{name}/report") == (
            404,
            {
                "type": "urn:nexus:problem:unknown-model",
                "title": "There is no such model",
                "status": 404,
                "detail": f"There is no model {name!r} of yours. GET /v1/models lists them.",
            },
        )


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
        async with asyncio.timeout(SECONDS):
            while True:
                async with client.get("/readyz") as response:
                    if response.status == 200:
                        break
                await asyncio.sleep(0.05)
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


async def test_a_worse_model_is_refused_without_the_flag(client: aiohttp.ClientSession, postgres_url: str) -> None:
    good, bad = await put(postgres_url, 0.62), await put(postgres_url, 0.59)
    await activate(client, good)
    assert await activate(client, bad) == (
        409,
        {
            "type": "urn:nexus:problem:worse-model",
            "title": "The model is worse than the one that serves",
            "status": 409,
            "detail": (
                f"The model {bad} is right for 59.0% of its validation rows at the level commodity, the model {good}, which "
                "serves, for 62.0% of its own. Send `force` to activate it all the same."
            ),
            "accuracy": 0.59,
            "serving_accuracy": 0.62,
        },
    )
    await until_answered_by(client, good)
    assert (await activate(client, good))[0] == 200  # it serves already
    assert (await activate(client, bad, force=True))[0] == 200
    await until_answered_by(client, bad)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("unusable", "ZeroDivisionError: a fault of opening"),
        (
            "another encoder",
            "The model {} was trained with the encoder another, and this service has all-minilm-l6-v2. Train a model with this "
            "encoder.",
        ),
    ],
)
async def test_a_model_that_cannot_be_used_leaves_the_one_before(
    two_processes: Clients, postgres_url: str, name: str, fault: str
) -> None:
    good, other = await put(postgres_url, 0.5), await put(postgres_url, 0.6, name=name)
    await activate(two_processes[0], good)
    await until_answered_by(two_processes[1], good)
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
    await until_answered_by(two_processes[0], good)
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


async def test_a_model_is_deleted_unless_it_serves(client: aiohttp.ClientSession, postgres_url: str) -> None:
    serving, other = await put(postgres_url, 0.6), await put(postgres_url, 0.5)
    await activate(client, serving)
    assert await call(client, "DELETE", f"/models/{serving}") == (
        409,
        {
            "type": "urn:nexus:problem:model-serves",
            "title": "The model serves",
            "status": 409,
            "detail": f"The model {serving} serves. Activate another one first, by POST /v1/models/ID/activate.",
        },
    )
    assert await call(client, "DELETE", f"/models/{other}") == (204, None)
    assert [model["id"] for model in await trained(client)] == [serving]
    assert (await activate(client, other))[0] == 404
    await activate(client, OWN)
    assert await call(client, "DELETE", f"/models/{serving}") == (204, None)
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM model_parts") == 0
    await connection.close()
    _, answer = await call(client, "GET", "/models")
    assert [move["model"] for move in answer["activations"]] == [None, serving]


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


async def test_models_are_of_their_tenant(client: aiohttp.ClientSession, issuer: Issuer, postgres_url: str) -> None:
    north, south = headers_of(issuer, "north"), headers_of(issuer, "south")
    model = await put(postgres_url, 0.6, line=STARTER._replace(tenant="north"))
    for method, path, body in (
        ("GET", f"/models/{model}/report", {}),
        ("POST", f"/models/{model}/activate", {"json": {}}),
        ("DELETE", f"/models/{model}", {}),
    ):
        status, problem = await call(client, method, path, headers=south, **body)
        assert (status, problem["type"]) == (404, "urn:nexus:problem:unknown-model")
    assert (await activate(client, model, headers=north))[0] == 200
    await until_answered_by(client, model, headers=north)
    assert await version_of(client, headers=south) == TITLES
    assert await version_of(client) == TITLES
    assert (await trained(client, headers=south), [one["id"] for one in await trained(client, headers=north)]) == (
        [],
        [model],
    )


async def test_the_same_files_of_two_tenants_are_two_models(postgres_url: str, client: aiohttp.ClientSession) -> None:
    assert (await call(client, "GET", "/models"))[0] == 200
    models = {
        await put(postgres_url, 0.6, line=STARTER._replace(tenant=tenant)) for tenant in ("north", "south", "north")
    }
    assert len(models) == 2


async def test_only_administrators_choose_and_delete(
    client: aiohttp.ClientSession, issuer: Issuer, postgres_url: str
) -> None:
    model = await put(postgres_url, 0.6)
    token = issuer.mint("classification-service", ["classify"])
    headers = {"Authorization": f"Bearer {token}"}
    for method, path, body in (
        ("POST", f"/models/{model}/activate", {"json": {}}),
        ("DELETE", f"/models/{model}", {}),
    ):
        status, problem = await call(client, method, path, headers=headers, **body)
        assert (status, problem["type"]) == (403, "urn:nexus:problem:insufficient-scope")
    assert [one["id"] for one in await trained(client, headers=headers)] == [model]


async def import_(client: aiohttp.ClientSession) -> str:
    """Import a version; returns the key of the import."""
    content = files.xlsx([*files.NOTICES, files.WIDE, *files.COMMODITIES])
    headers = {"Content-Type": "application/octet-stream"}
    query = {"taxonomy": "unspsc", "version": "26.0801"}
    status, answer = await call(client, "POST", "/taxonomies/import", params=query, data=content, headers=headers)
    assert status == 201, answer

    async def is_ready() -> bool:
        _, version = await call(client, "GET", "/taxonomies/unspsc/26.0801")
        return bool(version["state"] == "ready")

    await until(is_ready)
    return str(answer["version"])


async def line_of_import(postgres_url: str) -> Line:
    connection = await asyncpg.connect(postgres_url)
    key = await connection.fetchval("SELECT key::text FROM taxonomies WHERE version = '26.0801'")
    await connection.close()
    return Line("unspsc", "26.0801", str(key), "")


async def test_a_model_is_of_one_import(client: aiohttp.ClientSession, postgres_url: str) -> None:
    version = {"body": {"version": await import_(client)}}
    model = await put(postgres_url, 0.6, line=await line_of_import(postgres_url))
    assert (await activate(client, model))[0] == 200
    await until_answered_by(client, model, **version)
    assert await version_of(client) == TITLES
    assert await call(client, "DELETE", "/taxonomies/unspsc/26.0801") == (204, None)
    await import_(client)
    await until_answered_by(client, TITLES, **version)
    status, problem = await activate(client, model)
    assert (status, problem["type"]) == (409, "urn:nexus:problem:outdated-model")
    assert [one["serving"] for one in await trained(client)] == [False]
    assert await call(client, "DELETE", f"/models/{model}") == (204, None)


async def test_models_of_a_version_are_limited(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    async with client_of(issuer, "classify", "admin", **database_settings, models=1) as client:
        await put(postgres_url, 0.6)
        assert await call(client, "POST", "/models/train", json={"taxonomy": "unspsc"}) == (
            409,
            {
                "type": "urn:nexus:problem:too-many-models",
                "title": "You have too many models",
                "status": 409,
                "detail": "You have 1 models of unspsc starter-1, as many as allowed. Delete one by DELETE /v1/models/ID.",
                "limit": 1,
            },
        )
        await train(client, headers=headers_of(issuer, "other"))


async def test_the_bytes_of_what_serves_are_limited(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    async with client_of(issuer, "classify", "admin", **database_settings, serving_bytes=5000) as client:
        first = await put(postgres_url, 0.5, size=2997)
        second = await put(postgres_url, 0.6, size=4997)  # in the place of the first
        other = await put(postgres_url, 0.6, size=97, line=Line("etim", "starter-1", "", "north"))
        assert (await activate(client, first))[0] == 200
        assert (await activate(client, second))[0] == 200
        assert await activate(client, other, headers=headers_of(issuer, "north")) == (
            409,
            {
                "type": "urn:nexus:problem:serving-too-large",
                "title": "The models that serve are too large",
                "status": 409,
                "detail": (
                    "With this one, the models that serve would have 5100 bytes, and may have 5000. Activate another model in "
                    "the place of a large one, or raise CLASSIFICATION_SERVING_BYTES and the room under /tmp."
                ),
                "limit": 5000,
            },
        )


@pytest.mark.parametrize("change", ["UPDATE models SET report = '{}'", "UPDATE model_parts SET number = 7"])
async def test_a_model_does_not_change(client: aiohttp.ClientSession, postgres_url: str, change: str) -> None:
    assert (await call(client, "GET", "/models"))[0] == 200
    await put(postgres_url, 0.5)
    connection = await asyncpg.connect(postgres_url)
    with pytest.raises(asyncpg.RaiseError, match="a model does not change once it is written"):
        await connection.execute(change)
    await connection.close()


async def test_without_a_database_there_are_the_own_models_alone(issuer: Issuer) -> None:
    async with client_of(issuer, "classify", "admin") as client:
        status, answer = await call(client, "GET", "/models")
        assert (status, [own["serving"] for own in answer["models"]]) == (200, [True, True])
        assert (answer["trained"], answer["activations"]) == ([], [])
        status, problem = await call(client, "DELETE", f"/models/{'0' * 32}")
        assert (status, problem["type"]) == (409, "urn:nexus:problem:no-database")
