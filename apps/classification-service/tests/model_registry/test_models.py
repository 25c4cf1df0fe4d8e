from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import official_files as files
import pytest
from models_setup import OWN, STARTER, TITLES, activate, client_of, put, trained, until, until_answered_by, version_of
from training_setup import call, headers_of, train

from classification_service.model_registry.models import Line
from nexus_testkit.issuer import Issuer


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        yield session


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
        "use-multilingual-v3+unspsc-starter-1": True,
        "use-multilingual-v3+etim-starter-1": True,
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
        assert (status, [own["serving"] for own in answer["models"]]) == (200, [True] * 4)
        assert (answer["trained"], answer["activations"]) == ([], [])
        status, problem = await call(client, "DELETE", f"/models/{'0' * 32}")
        assert (status, problem["type"]) == (409, "urn:nexus:problem:no-database")
