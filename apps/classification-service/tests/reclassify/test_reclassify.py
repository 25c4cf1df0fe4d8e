import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import official_files as files
import pytest
from conftest import client_of

from nexus_testkit import Issuer

OLD, NEW = "26.0801", "27.0101"
SECONDS = 30


@pytest.fixture
async def client(
    issuer: Issuer, database_settings: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[aiohttp.ClientSession]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with client_of(issuer, "classify", "admin", **database_settings) as session:
        await import_(session, files.xlsx([*files.NOTICES, files.WIDE, *files.COMMODITIES]), OLD)
        await import_(session, files.xlsx([files.WIDE, *files.NEWER]), NEW)
        for version in (OLD, NEW):
            await until_ready(session, version)
        yield session


async def import_(client: aiohttp.ClientSession, content: bytes, version: str) -> None:
    query = {"taxonomy": "unspsc", "version": version}
    headers = {"Content-Type": "application/octet-stream"}
    async with client.post("/v1/taxonomies/import", params=query, data=content, headers=headers) as response:
        assert response.status == 201, await response.text()


async def until_ready(client: aiohttp.ClientSession, version: str) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            async with client.get(f"/v1/taxonomies/unspsc/{version}") as response:
                if (await response.json())["state"] == "ready":
                    return
            await asyncio.sleep(0.05)


async def reclassify(client: aiohttp.ClientSession, *items: dict[str, object], **options: object) -> tuple[int, Any]:
    body = {"items": items, "taxonomy": "unspsc", "since": OLD, "version": NEW} | options
    async with client.post("/v1/reclassify", json=body) as response:
        return response.status, await response.json()


async def test_only_what_the_changes_touch_is_classified_anew(client: aiohttp.ClientSession) -> None:
    status, answer = await reclassify(
        client,
        {"id": "kept", "text": "electric drill", "code": "27112703"},
        {"id": "moved", "text": "pump for the garden", "code": "40151510"},
        {"id": "retired", "text": "saw with a motor", "code": "27112704"},
        {"id": "family", "text": "laser tool", "code": "27110000"},
        {"id": "no laser", "text": "power drill and driver", "code": "27110000"},
        {"id": "unknown", "text": "electric drill", "code": "99"},
    )
    found = {item["id"]: (item["outcome"], item["before"], item["code"]) for item in answer["items"]}
    classified = {item["id"]: item["answer"]["confidence"] for item in answer["items"] if item["answer"]}
    assert status == 200
    assert found == {
        "kept": ("kept", "27112703", "27112703"),
        "moved": ("moved", "40151510", "27112799"),
        "retired": ("reclassified", "27112704", found["retired"][2]),
        "family": ("reclassified", "27110000", found["family"][2]),
        "no laser": ("kept", "27110000", "27110000"),
        "unknown": ("reclassified", "99", "27112703"),
    }
    assert found["family"][2] in {"27112800", "27112801"}
    assert classified.keys() == {"retired", "family", "unknown"}
    assert (answer["counts"], answer["queued"]) == ({"kept": 2, "moved": 1, "reclassified": 3}, None)
    assert answer["items"][1]["path"][-1] == {"code": "27112799", "level": "commodity", "title": "Garden pumps"}


async def test_what_is_uncertain_then_goes_into_the_review_queue_of_the_new_version(
    client: aiohttp.ClientSession,
) -> None:
    item = {"text": "XK-7 frobnicator unit", "code": "27112704"}
    status, answer = await reclassify(client, item, {"text": "drill", "code": "27112703"}, review=True)
    async with client.get("/v1/review", params={"taxonomy": "unspsc", "version": NEW}) as response:
        rows = (await response.json())["items"]
    assert (status, answer["queued"], [row["item"]["text"] for row in rows]) == (200, 1, ["XK-7 frobnicator unit"])


async def test_decisions_are_taken_to_the_new_version(client: aiohttp.ClientSession) -> None:
    decided = {
        "electric borer": "27112703",
        "jet thing": "40151510",
        "XK-7 frobnicator unit": "27112704",
        "spare part": "27112704",
    }
    items = [{"text": text, "code": code} for text, code in decided.items()]
    body = {"items": items, "taxonomy": "unspsc", "version": OLD}
    async with client.post("/v1/feedback", json=body) as response:
        assert response.status == 200
    body = {"items": [{"text": "spare part", "code": "27112801"}], "taxonomy": "unspsc", "version": NEW}
    async with client.post("/v1/feedback", json=body) as response:
        assert response.status == 200
    carry = {"taxonomy": "unspsc", "since": OLD, "version": NEW}
    for carried in (2, 0):
        async with client.post("/v1/feedback/carry", json=carry) as response:
            answer = await response.json()
        del answer["generation"]
        assert (response.status, answer) == (200, {**carry, "carried": carried, "classified": 2, "queued": 1})
    body = {"items": [{"text": text} for text in decided], "taxonomy": "unspsc", "version": NEW}
    async with client.post("/v1/classify", json=body) as response:
        found = [(item["code"], item["source"]) for item in (await response.json())["items"]]
    assert found[:2] == [("27112703", "human"), ("27112799", "human")]
    assert (found[2][1], found[3]) == ("model", ("27112801", "human"))
    async with client.get("/v1/review", params={"taxonomy": "unspsc", "version": NEW}) as response:
        assert [row["item"]["text"] for row in (await response.json())["items"]] == ["XK-7 frobnicator unit"]


@pytest.mark.parametrize(
    ("options", "status", "kind"),
    [
        ({"since": "starter-1"}, 409, "starter-version"),
        ({"since": "9"}, 404, "unknown-taxonomy"),
        ({"version": "9"}, 404, "unknown-taxonomy"),
        ({"items": []}, 422, "invalid-request"),
        ({"llm": "always"}, 409, "llm-not-configured"),
    ],
)
async def test_what_cannot_be_done_is_named(
    client: aiohttp.ClientSession, options: dict[str, object], status: int, kind: str
) -> None:
    found, answer = await reclassify(client, {"text": "saw", "code": "27112704"}, **options)
    assert (found, answer["type"]) == (status, f"urn:nexus:problem:{kind}")
