"""Files by HTTP: classified by all worker processes, each row once, whatever happens to these."""

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import official_files as files
import pytest
from conftest import FIXTURES, client_of
from redis.asyncio import Redis

from classification_service.classify.classifier import Classifier
from nexus_testkit.issuer import Issuer

JOBS = FIXTURES / "jobs"
PRODUCTS = b"sku,name,material\n1,claw hammer,steel\n2,Deep groove ball bearing 6204,\n3,,steel\n4,claw hammer,steel\n"
SECONDS = 60


@pytest.fixture
async def jobs(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", **database_settings) as session:
        yield session


async def send(client: aiohttp.ClientSession, content: bytes, path: str = "", **query: Any) -> tuple[int, Any]:  # noqa: ANN401
    parameters = {"taxonomy": "unspsc", **query} if not path else query
    headers = {"Content-Type": "application/octet-stream"}
    body = io.BytesIO(content)
    async with client.post(f"/v1/jobs{path}", params=parameters, data=body, headers=headers) as response:
        return response.status, await response.json()


async def finished(client: aiohttp.ClientSession, job_id: str) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS):
        while True:
            async with client.get(f"/v1/jobs/{job_id}") as response:
                job: dict[str, Any] = await response.json()
            if job["state"] != "running":
                return job
            await asyncio.sleep(0.05)


async def results(client: aiohttp.ClientSession, job_id: str, **query: str) -> tuple[int, bytes]:
    async with client.get(f"/v1/jobs/{job_id}/results", params=query) as response:
        return response.status, await response.read()


async def done(client: aiohttp.ClientSession, content: bytes, **query: Any) -> dict[str, Any]:  # noqa: ANN401
    status, job = await send(client, content, **query)
    assert status == 202, job
    return await finished(client, job["id"])


async def test_a_file_is_classified_in_its_own_form(jobs: aiohttp.ClientSession) -> None:
    status, begun = await send(jobs, PRODUCTS, text_column="name", attribute_column="material", name="products.csv")
    job = await finished(jobs, begun["id"])
    for name in ("id", "created_at", "ended_at", "rate"):
        assert job.pop(name)
    assert (status, job) == (
        202,
        {
            "name": "products.csv",
            "state": "done",
            "taxonomy": "unspsc",
            "version": "starter-1",
            "text_columns": ["name"],
            "attribute_columns": ["material"],
            "features": False,
            "file": {
                "format": "csv",
                "encoding": "utf-8",
                "delimiter": ",",
                "header_row": 1,
                "columns": ["sku", "name", "material"],
            },
            "rows": {"total": 4, "done": 4, "failed": 1},
            "eta_seconds": None,
            "error": None,
            "errors": [{"row": 4, "error": "the text is empty"}],
        },
    )
    async with jobs.get(f"/v1/jobs/{begun['id']}/results") as response:
        lines = (await response.text()).splitlines()
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''products-unspsc.csv"
        assert response.content_type == "text/csv"
    confidences = [line.split(",")[6] for line in lines[1:]]
    assert [
        line.replace(f",{found},", ",C,") if found else line for line, found in zip(lines[1:], confidences, strict=True)
    ] == [
        "1,claw hammer,steel,27111602,commodity,Hammers,C,model,",
        "2,Deep groove ball bearing 6204,,31171504,commodity,Ball bearings,C,model,",
        "3,,steel,,,,,,the text is empty",
        "4,claw hammer,steel,27111602,commodity,Hammers,C,model,",
    ]


async def test_values_of_features_are_filled_in(jobs: aiohttp.ClientSession) -> None:
    file = b"text,Material\nhexagon head bolt M8x40 stainless steel,\nhexagon head bolt,Steel\n,\n"
    job = await done(jobs, file, taxonomy="etim", attribute_column="Material", features="true")
    assert (job["state"], job["features"]) == ("done", True)
    _, lines = await results(jobs, job["id"], format="jsonl")
    rows = [json.loads(line) for line in lines.splitlines()]
    alone = []
    for row in rows[:2]:
        attributes = {"Material": row["Material"]} if row["Material"] else {}
        body = {"items": [{"text": row["text"], "attributes": attributes, "code": row["etim_code"]}]}
        async with jobs.post("/v1/features", json=body) as response:
            (item,) = (await response.json())["items"]
        shown = ("code", "title", "value", "unit", "confidence", "words")
        alone.append([{name: one[name] for name in shown if one[name] is not None} for one in item["features"]])
    assert [row.get("etim_features") for row in rows] == [*alone, None]
    assert [[one["value"] for one in row["etim_features"] if one["title"] == "Material"] for row in rows[:2]] == [
        [{"code": "EV000166", "title": "Stainless steel"}],
        [{"code": "EV000179", "title": "Steel"}],
    ]


async def test_features_of_a_taxonomy_that_has_none_are_refused(jobs: aiohttp.ClientSession) -> None:
    status, answer = await send(jobs, PRODUCTS, text_column="name", features="true")
    detail = "Only etim has features, and this is unspsc. Leave features out, or classify to etim."
    assert (status, answer["type"], answer["detail"]) == (422, "urn:nexus:problem:no-features", detail)


async def test_results_come_in_each_format(jobs: aiohttp.ClientSession) -> None:
    job = await done(jobs, files.xlsx([["text", "price"], ["claw hammer", 12], ["ball bearing", 3]]))
    assert job["file"] == {
        "format": "xlsx",
        "encoding": None,
        "delimiter": None,
        "header_row": 1,
        "columns": ["text", "price"],
    }
    _, sheet = await results(jobs, job["id"])
    assert sheet.startswith(b"PK")
    _, text = await results(jobs, job["id"], format="csv")
    assert [row[:3] for row in csv.reader(io.StringIO(text.decode("utf-8-sig")))] == [
        ["text", "price", "unspsc_code"],
        ["claw hammer", "12", "27111602"],
        ["ball bearing", "3", "31171504"],
    ]
    _, lines = await results(jobs, job["id"], format="jsonl")
    assert [json.loads(line)["unspsc_code"] for line in lines.splitlines()] == ["27111602", "31171504"]


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        ("no-text-column", "The file has no column 'text'. It has: 'sku', 'name'."),
        ("only-header", "The file has no rows below its header."),
        ("empty-file", "The file is empty. Send CSV, JSON Lines or XLSX."),
    ],
)
async def test_a_file_that_cannot_be_classified_is_refused_and_leaves_nothing(
    failure: str, detail: str, jobs: aiohttp.ClientSession, postgres_url: str
) -> None:
    (path,) = (JOBS / failure).iterdir()
    assert await send(jobs, path.read_bytes()) == (
        422,
        {
            "type": "urn:nexus:problem:invalid-job-file",
            "title": "The file cannot be classified",
            "status": 422,
            "detail": detail,
        },
    )
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT (SELECT count(*) FROM jobs) + (SELECT count(*) FROM job_parts)") == 0
    await connection.close()


async def test_rows_without_content_and_with_too_much_have_errors_of_their_own(jobs: aiohttp.ClientSession) -> None:
    content = (JOBS / "zero-width" / "products.csv").read_bytes() + b"3," + b"x" * 100_000 + b"\n"
    job = await done(jobs, content)
    assert (job["rows"], job["errors"]) == (
        {"total": 3, "done": 3, "failed": 2},
        [
            {"row": 2, "error": "text: has no letter and no digit"},
            {"row": 4, "error": "text: String should have at most 10000 characters"},
        ],
    )
    rows = list(csv.reader(io.StringIO((await results(jobs, job["id"]))[1].decode())))
    assert [row[1] for row in rows[1:]] == ["\u200b\u200d\ufeff\u2060", "claw\u200b hammer", "x" * 100_000]
    assert [row[2] for row in rows[1:]] == ["", "27111602", ""]


async def test_a_file_of_two_gigabytes_is_refused_before_it_is_sent(jobs: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "text/csv", "Content-Length": str(2 * 1024**3), "Expect": "100-continue"}
    parameters = {"taxonomy": "unspsc"}
    async with jobs.post("/v1/jobs", params=parameters, headers=headers, data=_nothing()) as response:
        answer = await response.json()
        assert (response.status, answer["type"]) == (413, "urn:nexus:problem:body-too-large")


async def _nothing() -> AsyncIterator[bytes]:
    yield b"text\n"


async def test_a_file_that_breaks_off_leaves_nothing(jobs: aiohttp.ClientSession, postgres_url: str) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"text\nclaw hammer\n" * 100_000
        raise RuntimeError

    with pytest.raises((RuntimeError, aiohttp.ClientError)):
        async with jobs.post("/v1/jobs?taxonomy=unspsc", data=broken(), headers={"Content-Type": "text/csv"}):
            pass
    connection = await asyncpg.connect(postgres_url)
    async with asyncio.timeout(SECONDS):
        while await connection.fetchval("SELECT count(*) FROM jobs"):  # noqa: ASYNC110  what the service does
            await asyncio.sleep(0.05)
    await connection.close()


async def test_texts_of_a_job_have_the_language_of_its_request(jobs: aiohttp.ClientSession) -> None:
    job = await done(jobs, "text\nFeuerlöscher\nKugellager aus Stahl\n".encode(), language="de")
    _, content = await results(jobs, job["id"])
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["unspsc_code"][:2] for row in rows] == ["46", "31"]


async def test_a_preview_shows_how_the_file_would_be_read(jobs: aiohttp.ClientSession) -> None:
    content = "Liste 2026;;\nArt.-Nr.;Bezeichnung;Preis\n1;Säge für Holz;3,50\n2;Hammer;4,00;x\n".encode("windows-1252")
    assert await send(jobs, content, "/preview") == (
        200,
        {
            "format": "csv",
            "encoding": "windows-1252",
            "delimiter": ";",
            "header_row": 2,
            "columns": ["Art.-Nr.", "Bezeichnung", "Preis"],
            "encoding_certain": False,
            "text_columns": ["Bezeichnung"],
            "rows": [["1", "Säge für Holz", "3,50"], ["2", "Hammer", "4,00", "x"]],
            "faults": [
                {"row": 4, "error": "the row has 4 cells and the header 3; those beyond are behind the results"}
            ],
        },
    )


async def test_jobs_belong_to_their_sender(
    jobs: aiohttp.ClientSession, issuer: Issuer, database_settings: dict[str, object]
) -> None:
    job = await done(jobs, b"text\nclaw hammer\n")
    async with client_of(issuer, "classify", **database_settings) as other:
        for tenant in ("acme", None):
            token = issuer.mint(
                "classification-service", ["classify"], subject="bob" if tenant is None else "alice", tenant=tenant
            )
            other.headers["Authorization"] = f"Bearer {token}"
            for method, path in (("GET", ""), ("GET", "/results"), ("DELETE", "")):
                async with other.request(method, f"/v1/jobs/{job['id']}{path}") as response:
                    assert response.status == 404
            async with other.get("/v1/jobs") as response:
                assert await response.json() == {"items": [], "next": None}


async def test_jobs_are_listed_in_pages_the_latest_first(jobs: aiohttp.ClientSession) -> None:
    ids = [(await done(jobs, b"text\nclaw hammer\n"))["id"] for _ in range(3)]
    async with jobs.get("/v1/jobs", params={"limit": "2"}) as response:
        first = await response.json()
    async with jobs.get("/v1/jobs", params={"limit": "2", "after": first["next"]}) as response:
        second = await response.json()
    assert [job["id"] for job in first["items"] + second["items"]] == ids[::-1]
    assert second["next"] is None


async def test_a_job_is_cancelled_and_one_that_has_ended_is_deleted(jobs: aiohttp.ClientSession) -> None:
    texts = "".join(f"tool number {number}\n" for number in range(20_000))
    _, job = await send(jobs, f"text\n{texts}".encode())
    async with jobs.delete(f"/v1/jobs/{job['id']}") as response:
        assert response.status == 204
    assert (await finished(jobs, job["id"]))["state"] == "cancelled"
    assert (await results(jobs, job["id"]))[0] == 409
    async with jobs.delete(f"/v1/jobs/{job['id']}") as response:
        assert response.status == 204
    async with jobs.get(f"/v1/jobs/{job['id']}") as response:
        assert response.status == 404


async def test_results_of_a_job_that_runs_are_refused(jobs: aiohttp.ClientSession) -> None:
    texts = "".join(f"tool number {number}\n" for number in range(20_000))
    _, job = await send(jobs, f"text\n{texts}".encode())
    status, body = await results(jobs, job["id"])
    assert (status, json.loads(body)["detail"]) == (
        409,
        f"The job {job['id']} is running; only one that is done has results. Ask again when its state is done.",
    )


async def test_one_sender_has_at_most_20_unfinished_jobs(jobs: aiohttp.ClientSession, postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    await connection.execute(
        "INSERT INTO jobs (id, tenant, subject, taxonomy, version, options) "
        "SELECT gen_random_uuid(), '', 'alice', 'unspsc', '1', '{}' FROM generate_series(1, 20)"
    )
    await connection.close()
    status, problem = await send(jobs, PRODUCTS, text_column="name")
    assert (status, problem["type"], problem["limit"]) == (429, "urn:nexus:problem:too-many-jobs", 20)


async def test_a_file_that_turns_out_broken_fails_the_job(jobs: aiohttp.ClientSession) -> None:
    job = await done(jobs, b"text\n" + b"claw hammer\n" * 2000 + b"x" * 1_100_000 + b"\n")
    assert (job["state"], job["error"]) == (
        "failed",
        "Line 2002 of the file has more than 1048576 characters. Shorten or remove it.",
    )


async def test_equal_texts_are_classified_once(
    issuer: Issuer, database_settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    original: Any = Classifier.classify

    def counted(self: object, taxonomy: object, texts: list[str], *others: object, **options: object) -> object:
        asked.extend(texts)
        return original(self, taxonomy, texts, *others, **options)

    monkeypatch.setattr(Classifier, "classify", counted)
    async with client_of(issuer, "classify", **database_settings) as client:
        texts = "".join(f"tool number {number % 7}\n" for number in range(5_000))
        job = await done(client, f"text\n{texts}".encode())
    assert job["rows"] == {"total": 5_000, "done": 5_000, "failed": 0}
    assert sorted(asked) == [f"tool number {number}" for number in range(7)]


async def test_a_job_that_meets_an_error_again_and_again_fails(
    issuer: Issuer, database_settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        monkeypatch.setattr(Classifier, "classify", None)
        job = await done(client, b"text\nclaw hammer\n")
    assert (job["state"], job["error"]) == (
        "failed",
        "An internal error came up in part 0 of the file, again and again.",
    )


async def test_progress_is_published_on_the_channel_of_the_job(
    issuer: Issuer, database_settings: dict[str, object], redis_url: str, tmp_path: Path
) -> None:
    password = tmp_path / "redis_password"
    password.write_text("unused")
    settings = {**database_settings, "redis_url": redis_url, "redis_password_file": password}
    async with client_of(issuer, "classify", **settings) as client:
        job = await done(client, b"text\nclaw hammer\n,\n")
    async with Redis.from_url(redis_url, decode_responses=True) as redis:
        async with asyncio.timeout(SECONDS):
            while (last := await _last_event(redis, job["id"])).get("state") != "done":  # noqa: ASYNC110  others publish
                await asyncio.sleep(0.02)
    assert last.pop("rate") > 0
    assert last == {
        "event": "job",
        "id": job["id"],
        "state": "done",
        "rows": {"total": 2, "done": 2, "failed": 1},
        "eta_seconds": 0.0,
    }


async def _last_event(redis: Redis, job_id: str) -> dict[str, Any]:
    entries = await redis.xrevrange(f"nexus:channel:default:jobs:{job_id}", count=1)
    event: dict[str, Any] = json.loads(entries[0][1]["data"]) if entries else {}
    return event


async def test_without_a_database_jobs_say_what_they_need(client: aiohttp.ClientSession) -> None:
    status, problem = await send(client, PRODUCTS)
    assert (status, problem["type"]) == (409, "urn:nexus:problem:no-database")


async def test_what_nobody_needs_any_more_is_deleted(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classification_service.jobs.runner.SWEEP_SECONDS", 0.1)
    async with client_of(issuer, "classify", **database_settings) as client:
        job = await done(client, b"text\nclaw hammer\n")
        connection = await asyncpg.connect(postgres_url)
        async with asyncio.timeout(SECONDS):
            while await connection.fetchval(  # noqa: ASYNC110  what the service does
                "SELECT (SELECT count(*) FROM job_parts) + (SELECT count(*) FROM job_answers)"
            ):
                await asyncio.sleep(0.05)
        assert (await results(client, job["id"]))[0] == 200
        await connection.execute("UPDATE jobs SET ended_at = now() - interval '8 days'")
        async with asyncio.timeout(SECONDS):
            while await connection.fetchval("SELECT count(*) FROM job_chunks"):  # noqa: ASYNC110  the same
                await asyncio.sleep(0.05)
        await connection.close()
        assert (await results(client, job["id"]))[0] == 404


async def test_a_job_whose_taxonomy_is_deleted_fails(
    issuer: Issuer, database_settings: dict[str, object], postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classification_service.jobs.runner.SWEEP_SECONDS", 0.1)
    async with client_of(issuer, "classify", **database_settings) as client:
        job = await done(client, b"text\nclaw hammer\n")
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(
            "UPDATE jobs SET state = 'running', version = '26.0801'; UPDATE job_chunks SET done_at = NULL"
        )
        await connection.close()
        ended = await finished(client, job["id"])
    assert (ended["state"], ended["error"]) == ("failed", "The version of the taxonomy was deleted.")
