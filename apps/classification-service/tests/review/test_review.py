import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from conftest import client_of

from nexus_testkit import Issuer

BEARINGS = "31171504"
SECONDS = 30
JARGON = [f"XK-{number} frobnicator unit" for number in range(5)]


@pytest.fixture
async def client(issuer: Issuer, database_settings: dict[str, object]) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(issuer, "classify", **database_settings) as session:
        yield session


async def ask(client: aiohttp.ClientSession, *texts: str, **headers: str) -> dict[str, Any]:
    items = [{"id": text[:4], "text": text} for text in texts]
    body = {"items": items, "taxonomy": "unspsc", "top_k": 2, "review": True}
    async with client.post("/v1/classify", json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer


async def queue(client: aiohttp.ClientSession, *, expected: int = 200, **query: str | int) -> Any:  # noqa: ANN401  JSON
    async with client.get("/v1/review", params={"taxonomy": "unspsc"} | query) as response:
        assert response.status == expected, await response.text()
        return await response.json()


async def decide(client: aiohttp.ClientSession, text: str, code: str) -> None:
    body = {"items": [{"text": text, "code": code}], "taxonomy": "unspsc"}
    async with client.post("/v1/feedback", json=body) as response:
        assert response.status == 200, await response.text()


async def test_uncertain_answers_are_queued_and_certain_ones_are_not(client: aiohttp.ClientSession) -> None:
    answer = await ask(client, JARGON[0], "cordless drill 18V")
    page = await queue(client)
    first = answer["items"][0]
    gain = page["items"][0].pop("gain")
    assert page["items"][0].pop("id") > 0
    assert answer["queued"] == 1
    assert page == {
        "taxonomy": "unspsc",
        "version": "starter-1",
        "rows": 1,
        "items": [
            {
                "item": {"id": "XK-0", "text": JARGON[0]},
                "code": first["code"],
                "title": first["title"],
                "path": first["path"],
                "confidence": pytest.approx(first["confidence"], abs=1e-4),
                "candidates": first["candidates"],
                "model_version": first["model_version"],
                "times": 1,
            }
        ],
        "next": None,
    }
    assert gain == pytest.approx(1 - first["candidates"][0]["confidence"], abs=1e-3)


async def test_what_is_asked_for_often_comes_first(client: aiohttp.ClientSession) -> None:
    await ask(client, *JARGON, JARGON[3])
    await ask(client, JARGON[3].upper())
    rows = (await queue(client))["items"]
    assert (rows[0]["item"]["text"].casefold(), rows[0]["times"]) == (JARGON[3].casefold(), 3)
    assert [row["gain"] for row in rows] == sorted((row["gain"] for row in rows), reverse=True)


async def test_pages_join_to_the_whole(client: aiohttp.ClientSession) -> None:
    await ask(client, *JARGON)
    whole = await queue(client)
    joined: list[Any] = []
    page = await queue(client, limit=2)
    joined += page["items"]
    while page["next"] is not None:
        page = await queue(client, limit=2, after=page["next"])
        joined += page["items"]
    assert (whole["rows"], len(whole["items"])) == (5, 5)
    assert joined == whole["items"]


async def test_one_decision_settles_all_that_is_like_it(client: aiohttp.ClientSession) -> None:
    await ask(client, *JARGON, "portable thing of unknown use")
    await decide(client, JARGON[0], BEARINGS)
    assert JARGON[0] not in [row["item"]["text"] for row in (await queue(client))["items"]]
    async with asyncio.timeout(SECONDS):
        while (page := await queue(client))["rows"] > 1:  # noqa: ASYNC110  what the service does in the background
            await asyncio.sleep(0.05)
    assert [row["item"]["text"] for row in page["items"]] == ["portable thing of unknown use"]


async def test_the_queue_of_a_tenant_is_its_own(issuer: Issuer, database_settings: dict[str, object]) -> None:
    token = issuer.mint("classification-service", ["classify"], tenant="acme")
    async with client_of(issuer, "classify", **database_settings) as client:
        await ask(client, JARGON[0], Authorization=f"Bearer {token}")
        assert (await queue(client))["rows"] == 0
        headers = {"Authorization": f"Bearer {token}"}
        async with client.get("/v1/review", params={"taxonomy": "unspsc"}, headers=headers) as response:
            assert (await response.json())["rows"] == 1


async def test_items_are_kept_with_all_their_characters(client: aiohttp.ClientSession) -> None:
    item = {
        "id": "a\0b",
        "text": JARGON[0],
        "attributes": {"size\0": "8\0", "weight": 1.5, "new": True},
        "language": "de",
    }
    body = {"items": [item], "taxonomy": "unspsc", "review": True}
    async with client.post("/v1/classify", json=body) as response:
        assert (await response.json())["queued"] == 1
    assert (await queue(client))["items"][0]["item"] == item


async def test_a_service_without_database_has_no_queue(issuer: Issuer) -> None:
    async with client_of(issuer, "classify") as client:
        assert (await queue(client, expected=409))["type"] == "urn:nexus:problem:no-database"
        body = {"items": [{"text": JARGON[0]}], "taxonomy": "unspsc", "review": True}
        async with client.post("/v1/classify", json=body) as response:
            assert (response.status, (await response.json())["type"]) == (409, "urn:nexus:problem:no-review-queue")


@pytest.mark.parametrize(
    ("query", "status"),
    [({"after": "nowhere"}, 422), ({"after": "1e9-\0"}, 422), ({"limit": 1001}, 422), ({"version": "9"}, 404)],
)
async def test_what_is_not_there_is_named(
    client: aiohttp.ClientSession, query: dict[str, str | int], status: int
) -> None:
    await queue(client, expected=status, **query)
