import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import numpy as np
import official_files as files
import pytest
from conftest import APP, FIXTURES, client_of, command

from classification_service.classify.index import TitleIndex
from classification_service.encoder.encoder import SentenceEncoder
from classification_service.encoder.languages import NAMES
from classification_service.encoder.packed_vectors import PackedVectors
from classification_service.ensemble.titles import FullVectors
from classification_service.taxonomies.service import load_starters
from nexus_testkit import waiting
from nexus_testkit.issuer import Issuer

until = partial(waiting.until, seconds=90)
XLSX = files.xlsx([*files.NOTICES, files.WIDE, *files.COMMODITIES])
SPANISH_TITLES = [
    ["27000000", "Herramientas"],
    ["27110000", "Herramientas de mano"],
    ["27112700", "Herramientas eléctricas"],
    ["27112703", "Taladros eléctricos"],
    ["40000000", "Distribución de fluidos"],
    ["40150000", "Bombas y compresores"],
    ["40151500", "Bombas"],
    ["40151510", "Bombas de agua"],
]


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


@pytest.fixture
async def two_workers(
    issuer: Issuer, database_settings: dict[str, object]
) -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientSession]]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(client_of(issuer, "classify", "admin", **database_settings)) for _ in "12"
        ]
        yield first, second


async def import_(
    client: aiohttp.ClientSession, content: bytes, taxonomy: str, version: str, language: str = "en"
) -> None:
    query = {"taxonomy": taxonomy, "version": version, "language": language}
    headers = {"Content-Type": "application/octet-stream"}
    async with client.post("/v1/taxonomies/import", params=query, data=content, headers=headers) as response:
        assert response.status == 201, await response.text()


async def state(client: aiohttp.ClientSession, name: str, version: str) -> dict[str, Any]:
    async with client.get(f"/v1/taxonomies/{name}/{version}") as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def until_ready(clients: Iterable[aiohttp.ClientSession], name: str, version: str) -> None:
    for client in clients:

        async def is_ready(client: aiohttp.ClientSession = client) -> bool:
            return (await state(client, name, version))["state"] == "ready"

        await until(is_ready)


async def classify(client: aiohttp.ClientSession, text: str, taxonomy: str, **options: object) -> tuple[str, str]:
    body = {"items": [{"text": text}], "taxonomy": taxonomy, **options}
    async with client.post("/v1/classify", json=body) as response:
        answer = await response.json()
        assert response.status == 200, answer
    return answer["version"], answer["items"][0]["code"]


async def answer_in(client: aiohttp.ClientSession, text: str, language: str, version: str) -> dict[str, Any]:
    body = {"items": [{"text": text, "language": language}], "taxonomy": "unspsc", "version": version}
    async with client.post("/v1/classify", json=body) as response:
        item: dict[str, Any] = (await response.json())["items"][0]
        return item


async def until_multilingual(client: aiohttp.ClientSession, version: str) -> None:
    async def is_used() -> bool:
        return (await answer_in(client, "taladro", "es", version))["warnings"] == []

    await until(is_used)


async def test_texts_of_other_languages_follow_once_their_vectors_are_there(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    await import_(two_workers[0], XLSX, "unspsc", "26.0801")
    await until_ready(two_workers, "unspsc", "26.0801")
    for client in two_workers:
        await until_multilingual(client, "26.0801")
        item = await answer_in(client, "taladro eléctrico", "es", "26.0801")
        assert (item["code"], item["model_version"]) == ("27112703", "use-multilingual-v3+unspsc-26.0801")
        item = await answer_in(client, "electric drill", "en", "26.0801")
        assert (item["code"], item["model_version"]) == ("27112703", "all-minilm-l6-v2+unspsc-26.0801")
    found = await state(two_workers[0], "unspsc", "26.0801")
    assert (found["embedded"], found["multilingual"]) == (9, 9)


async def test_a_taxonomy_in_another_language_is_served_by_the_multilingual_encoder_alone(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession], postgres_url: str
) -> None:
    rows = [["code", "title"], *SPANISH_TITLES]
    await import_(two_workers[0], files.csv_bytes(rows), "unspsc", "es-1", "es")
    await until_ready(two_workers, "unspsc", "es-1")
    for client in two_workers:
        for text, language in (("electric drill", "en"), ("taladro eléctrico", "es"), ("elektrische Bohrer", "de")):
            item = await answer_in(client, text, language, "es-1")
            assert (item["code"], item["warnings"]) == ("27112703", []), text
            assert item["model_version"] == "use-multilingual-v3+unspsc-es-1"
    async with two_workers[0].get("/v1/models") as response:
        models = [one for one in (await response.json())["models"] if one["taxonomy_version"] == "es-1"]
    assert [(one["encoder"], one["languages"]) for one in models] == [("use-multilingual-v3", list(NAMES))]
    connection = await asyncpg.connect(postgres_url)
    encoders = await connection.fetch("SELECT DISTINCT encoder FROM taxonomy_vectors")
    await connection.close()
    assert [row["encoder"] for row in encoders] == ["use-multilingual-v3"]


async def test_no_model_is_trained_for_titles_in_another_language(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    client = two_workers[0]
    await import_(client, files.csv_bytes([["code", "title"], *SPANISH_TITLES]), "unspsc", "es-1", "es")
    await until_ready([client], "unspsc", "es-1")
    async with client.post("/v1/models/train", json={"taxonomy": "unspsc", "version": "es-1"}) as response:
        problem = await response.json()
    assert (response.status, problem["type"]) == (409, "urn:nexus:problem:titles-not-english")
    assert problem["detail"] == (
        "The titles of unspsc es-1 are in 'es', and trained models answer English texts by English titles. "
        "Corrections count without training; to train, import the English file as another version."
    )


async def choose(client: aiohttp.ClientSession, name: str, version: str) -> int:
    async with client.put(f"/v1/taxonomies/{name}/default", json={"version": version}) as response:
        return response.status


async def test_every_process_classifies_against_an_imported_version_without_a_restart(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    await import_(two_workers[0], XLSX, "unspsc", "26.0801")
    await until_ready(two_workers, "unspsc", "26.0801")
    for client in two_workers:
        assert await classify(client, "electric drill", "unspsc", version="26.0801") == ("26.0801", "27112703")
        assert await classify(client, "pump for the garden", "unspsc", version="26.0801") == ("26.0801", "40151510")
        assert (await classify(client, "electric drill", "unspsc"))[0] == "starter-1"


async def test_the_default_is_switched_for_every_process_and_back(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    await import_(two_workers[0], files.etim_zip(), "etim", "10.0")
    await until_ready(two_workers, "etim", "10.0")
    for version in ("10.0", "starter-1"):
        assert await choose(two_workers[1], "etim", version) == 200
        for client in two_workers:

            async def follows(client: aiohttp.ClientSession = client, version: str = version) -> bool:
                return (await classify(client, "jet pump", "etim"))[0] == version

            await until(follows)
            assert (await state(client, "etim", version))["default"]


async def test_synonyms_count_as_much_as_titles(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    await import_(two_workers[0], files.etim_zip(), "etim", "10.0")
    await until_ready(two_workers, "etim", "10.0")
    body = {"items": [{"text": "Jet pump"}], "taxonomy": "etim", "version": "10.0"}
    async with two_workers[1].post("/v1/classify", json=body) as response:
        item = (await response.json())["items"][0]
    assert (item["code"], item["confidence"] > 0.9) == ("EC011234", True)


async def test_a_version_without_all_its_vectors_cannot_become_the_default(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        await import_(client, XLSX, "unspsc", "26.0801")
        await until_ready([client], "unspsc", "26.0801")
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("UPDATE taxonomy_vectors SET codes = codes - 1")
        await connection.close()
        body = {"version": "26.0801"}
        async with client.put("/v1/taxonomies/unspsc/default", json=body) as response:
            assert (response.status, await response.json()) == (
                409,
                {
                    "type": "urn:nexus:problem:not-embedded",
                    "title": "The version is not ready",
                    "status": 409,
                    "detail": "unspsc 26.0801 is not ready: 1 of its codes have no vectors yet. Try again later.",
                },
            )
        assert await choose(client, "unspsc", "27") == 404


async def test_requests_that_run_are_not_disturbed_by_a_switch(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
) -> None:
    first, second = two_workers
    await import_(first, XLSX, "unspsc", "26.0801")
    await until_ready(two_workers, "unspsc", "26.0801")
    versions = set()
    for number in range(40):
        if number % 10 == 0:
            assert await choose(second, "unspsc", ("26.0801", "starter-1")[number // 10 % 2]) == 200
        versions.add((await classify(first, "power drill", "unspsc"))[1])
        await asyncio.sleep(0.06)
    assert versions == {"27112703"}


async def test_a_killed_process_leaves_its_chunk_to_the_others(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str
) -> None:
    rows = [[f"27{number:06}", f"Tool number {number}"] for number in range(10_101, 12_100) if number % 100]
    above = {f"{code[:4]}0000" for code, _ in rows} | {f"{code[:6]}00" for code, _ in rows} | {"27000000"}
    content = files.csv_bytes([["code", "title"], *([code, f"Tools {code}"] for code in sorted(above)), *rows])
    path = Path(str(database_settings["postgres_password_file"])).with_name("tools.csv")
    path.write_bytes(content)
    variables = {
        "NEXUS_POSTGRES_URL": str(database_settings["postgres_url"]),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(database_settings["postgres_password_file"]),
    }
    program = [sys.executable, "-m", "classification_service", "import", str(path), "--taxonomy=unspsc", "--version=1"]
    process = await asyncio.create_subprocess_exec(*program, cwd=APP, env={**os.environ, **variables}, stdout=-3)
    await _until_some_vectors(postgres_url)
    process.kill()
    await process.wait()
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        await until_ready([client], "unspsc", "1")
        assert (await state(client, "unspsc", "1"))["embedded"] == len(above) + len(rows)


async def _until_some_vectors(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)

    async def has_some() -> bool:
        if await connection.fetchval("SELECT to_regclass('taxonomy_vectors')") is None:
            return False
        return bool(await connection.fetchval("SELECT count(*) FROM taxonomy_vectors"))

    await until(has_some)
    await connection.close()


async def test_the_command_imports_and_embeds(
    database_settings: dict[str, object], tmp_path: Path, postgres_url: str
) -> None:
    path = tmp_path / "unspsc.xlsx"
    path.write_bytes(XLSX)
    variables = {
        "NEXUS_POSTGRES_URL": str(database_settings["postgres_url"]),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(database_settings["postgres_password_file"]),
    }
    done = await asyncio.to_thread(command, "import", path, "--taxonomy", "unspsc", "--version", "26.0801", **variables)
    assert (done.returncode, done.stdout) == (
        0,
        "Stored unspsc 26.0801 from UNSPSC XLSX: 9 codes, 2 at the level segment, 2 at the level family, 2 at the level class, 3 at the level commodity.\n",
    )
    first, second = done.stderr.splitlines()
    assert first.startswith("[##############################] 9/9 codes, ")
    assert second.startswith("[##############################] 9/9 codes for texts in other languages, ")
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT sum(codes) FROM taxonomy_vectors") == 9 * len(["English", "multilingual"])
    await connection.close()
    again = await asyncio.to_thread(
        command, "import", path, "--taxonomy", "unspsc", "--version", "26.0801", **variables
    )
    assert (again.returncode, again.stderr) == (
        1,
        "classification-service: unspsc 26.0801 is there already. Import the file under another version.\n",
    )


def test_the_command_says_what_it_lacks(tmp_path: Path) -> None:
    done = command("import", tmp_path / "absent.xlsx", "--taxonomy", "unspsc", "--version", "1")
    assert (done.returncode, done.stderr) == (
        1,
        (
            "classification-service: This service runs without a database, where imported taxonomies, decisions and models are. "
            "Set NEXUS_POSTGRES_URL and NEXUS_POSTGRES_PASSWORD_FILE.\n"
        ),
    )


def test_vectors_of_one_byte_find_what_full_ones_find(encoder: SentenceEncoder) -> None:
    texts = [line.split(",")[0] for line in (FIXTURES / "products.csv").read_text().splitlines()[1:]]
    full = encoder.encode(texts)
    queries = encoder.encode([f"one {text}" for text in texts])
    found = PackedVectors.of(encoder.for_titles().encode(texts)).nearness(queries)
    expected = FullVectors(full).nearness(queries)
    assert np.abs(found - expected).max() < 0.05
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() == 1


def test_probabilities_add_up_along_the_tree(encoder: SentenceEncoder) -> None:
    taxonomy = load_starters().get("unspsc")
    vectors = np.random.default_rng(1).standard_normal(
        (sum(len(node.texts) for node in taxonomy.nodes), encoder.dimension)
    )
    index = TitleIndex(taxonomy, FullVectors(vectors.astype(np.float32)))
    own = index.own(encoder.encode(["ball bearing", str(uuid4())]))
    total = index.subtree(own)
    for position in range(len(taxonomy.nodes)):
        below = sum(total[:, child] for child in taxonomy.children[position])
        assert np.allclose(total[:, position], own[:, position] + below, atol=1e-6)
    assert np.allclose(total[:, taxonomy.roots].sum(axis=1), 1, atol=1e-5)


async def test_every_process_forgets_a_deleted_version_and_its_files(
    two_workers: tuple[aiohttp.ClientSession, aiohttp.ClientSession], tmp_path: Path
) -> None:
    await import_(two_workers[0], XLSX, "unspsc", "26.0801")
    await until_ready(two_workers, "unspsc", "26.0801")
    folder = tmp_path / f"nexus-taxonomies-{os.getuid()}"
    for client in two_workers:
        await until_multilingual(client, "26.0801")
    assert len([path for path in folder.iterdir() if path.is_dir()]) == len(["English", "multilingual"])
    async with two_workers[0].delete("/v1/taxonomies/unspsc/26.0801") as response:
        assert response.status == 204
    for client in two_workers:

        async def has_forgotten(client: aiohttp.ClientSession = client) -> bool:
            body = {"items": [{"text": "drill"}], "taxonomy": "unspsc", "version": "26.0801"}
            async with client.post("/v1/classify", json=body) as response:
                return response.status == 404

        await until(has_forgotten)

    async def is_empty() -> bool:
        return [path for path in folder.iterdir() if path.is_dir()] == []

    await until(is_empty)


async def test_the_command_classifies_against_an_imported_version(
    issuer: Issuer, database_settings: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "products.csv"
    path.write_text("text\nelectric drill\npump for the garden\n")
    variables = {
        "NEXUS_POSTGRES_URL": str(database_settings["postgres_url"]),
        "NEXUS_POSTGRES_PASSWORD_FILE": str(database_settings["postgres_password_file"]),
        "TMPDIR": str(tmp_path),
    }
    async with client_of(issuer, "classify", "admin", **database_settings) as client:
        await import_(client, XLSX, "unspsc", "26.0801")
        await until_ready([client], "unspsc", "26.0801")
        named = await asyncio.to_thread(
            command, "classify", path, "--taxonomy=unspsc", "--version=26.0801", **variables
        )
        assert await choose(client, "unspsc", "26.0801") == 200
        default = await asyncio.to_thread(command, "classify", path, "--taxonomy=unspsc", **variables)
    codes = [line.split(",")[1] for line in named.stdout.splitlines()[1:]]
    assert (named.returncode, codes) == (0, ["27112703", "40151510"])
    assert default.stdout == named.stdout
    absent = await asyncio.to_thread(command, "classify", path, "--taxonomy=unspsc", "--version=27", **variables)
    assert (absent.returncode, absent.stdout) == (1, "")
    assert absent.stderr.startswith("classification-service: The taxonomy 'unspsc' in version '27' is not loaded.")
