"""The page of jobs, as it is without JavaScript."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote, urljoin

import aiohttp
import pytest
from conftest import client_of

from nexus_testkit import Issuer
from nexus_testkit.html_page import Element, open_page

PAGE = "/pages/jobs"
SECONDS = 60
HOSTILE = "<script>alert(1)<!-- \"'.csv"


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", **database_settings) as session:
        yield session


async def start(client: aiohttp.ClientSession, name: str, *rows: str) -> str:
    query = f"/v1/jobs?taxonomy=unspsc&name={quote(name, safe='')}"
    body = "\n".join(["text", *rows])
    async with client.post(query, data=body, headers={"Content-Type": "text/csv"}) as response:
        assert response.status == 202, await response.text()
        job: str = (await response.json())["id"]
        return job


async def wait_until_done(client: aiohttp.ClientSession, job: str) -> None:
    async with asyncio.timeout(SECONDS):
        while (await (await client.get(f"/v1/jobs/{job}")).json())["state"] == "running":  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.05)


def jobs_of(page: Element) -> list[Element]:
    return list(page.section("Your jobs, the latest first").every("article"))


async def test_a_job_has_its_figures_errors_and_results(client: aiohttp.ClientSession) -> None:
    job = await start(client, HOSTILE, "cordless drill 18V", '""', "copy paper A4")
    await wait_until_done(client, job)
    (shown,) = jobs_of(await open_page(client, PAGE))

    assert next(shown.every("bdi")).raw_text == HOSTILE
    assert shown.one("h3").text == f"{HOSTILE} done"
    assert "3 of 3 rows, 1 without a code" in shown.text
    assert [row[0] for row in shown.table()] == ["Row", "3"]
    assert {urljoin("/pages/classification/jobs", address) for address in shown.links().values()} == {
        f"/v1/classification/jobs/{job}/results?format={form}" for form in ("csv", "xlsx", "jsonl")
    }


async def test_the_latest_job_comes_first_and_a_cancelled_one_has_no_results(client: aiohttp.ClientSession) -> None:
    first = await start(client, "first.csv", "cordless drill 18V")
    await wait_until_done(client, first)
    second = await start(client, "second.csv", *(f"XK-{number} frobnicator" for number in range(20_000)))
    assert (await client.delete(f"/v1/jobs/{second}")).status == 204
    shown = jobs_of(await open_page(client, PAGE))

    assert [job.one("h3").text for job in shown] == ["second.csv cancelled", "first.csv done"]
    assert shown[0].links() == {}


async def test_jobs_of_others_are_not_shown(issuer: Issuer, database_settings: dict[str, object]) -> None:
    async with client_of(issuer, "classify", **database_settings) as client:
        await start(client, "mine.csv", "cordless drill 18V")
        client.headers["Authorization"] = f"Bearer {issuer.mint('classification-service', ['classify'], subject='bob')}"
        page = await open_page(client, PAGE)
        assert ("mine.csv" in page.raw_text, "There are none." in page.text) == (False, True)


async def test_the_form_offers_the_versions(client: aiohttp.ClientSession) -> None:
    form = (await open_page(client, PAGE)).one("form")

    assert [option.text for option in form.every("option")] == [
        "UNSPSC starter-1 (default)",
        "ETIM starter-1 (default)",
    ]
    assert "language model" not in form.text
