"""`Prefer: numbers=string`: 64 bit integers are answered as strings."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from channel import shown
from samples import POOLS

STRINGS = {"Prefer": "numbers=string"}
LARGE = 2**63 - 1


def _as_strings(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: str(value) if name in names and value is not None else value for name, value in row.items()}


async def _answer(client: aiohttp.ClientSession, path: str, **headers: str) -> tuple[bytes, str | None, str | None]:
    """The body, and the header fields that say what was applied."""
    async with client.get(path, headers=headers) as response:
        assert response.status == 200
        return await response.read(), response.headers.get("Preference-Applied"), response.headers.get("Vary")


@pytest.mark.parametrize("row_id", [1, 5, 60])
async def test_a_row_has_its_integers_as_strings(sample_rows: aiohttp.ClientSession, row_id: int) -> None:
    plain, not_applied, varies = await _answer(sample_rows, f"/v1/sample/{row_id}")
    content, applied, varies_too = await _answer(sample_rows, f"/v1/sample/{row_id}", **STRINGS)
    assert (not_applied, varies, applied, varies_too) == (None, "Prefer", "numbers=string", "Prefer")
    assert json.loads(content) == _as_strings(json.loads(plain), "id", "whole")
    assert list(json.loads(content)) == list(json.loads(plain))


async def test_every_integer_of_a_list_and_an_export_is_a_string(sample_rows: aiohttp.ClientSession) -> None:
    page, applied, _ = await _answer(sample_rows, "/v1/sample?limit=1000", **STRINGS)
    lines, exported, _ = await _answer(sample_rows, "/v1/sample/export", **STRINGS)
    items = json.loads(page)["items"]
    assert (applied, exported) == ("numbers=string", "numbers=string")
    assert {item["whole"] for item in items} == {*map(str, POOLS["whole"]), None}
    assert b'{"items":[' + b",".join(lines.splitlines()) + b'],"next":null}' == page
    rows = [(await _answer(sample_rows, f"/v1/sample/{item['id']}", **STRINGS))[0] for item in items]
    assert rows == lines.splitlines()


async def test_csv_has_texts_anyway(sample_rows: aiohttp.ClientSession) -> None:
    path = "/v1/sample/export?format=csv"
    assert await _answer(sample_rows, path, **STRINGS) == await _answer(sample_rows, path)
    assert (await _answer(sample_rows, path, **STRINGS))[1] is None


async def test_lists_of_integers_have_strings(offers: aiohttp.ClientSession) -> None:
    body = {"name": "a", "wholes": [LARGE, -1], "maker": {"name": "m", "numbers": [7]}, "few": None}
    async with offers.post("/v1/offer", json=body, headers=STRINGS) as response:
        row = await response.json()
    assert (row["id"], row["wholes"], row["maker"]["numbers"]) == ("1", [str(LARGE), "-1"], [7])


async def test_numbers_in_json_fields_stay_numbers(client: aiohttp.ClientSession) -> None:
    body = {"name": "a", "attributes": {"width": 5}}
    async with client.post("/v1/product", json=body, headers=STRINGS) as response:
        row = await response.json()
    assert (row["id"], row["attributes"]) == ("1", {"width": 5})


async def test_changes_and_queries_have_strings(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "s"})
    answers = [
        await client.patch("/v1/product/1", json={"name": "b"}, headers=STRINGS),
        await client.put("/v1/product/1", json={"name": "b", "sku": "s"}, headers=STRINGS),
        await client.post("/v1/product/upsert?on=sku", json={"name": "b", "sku": "s"}, headers=STRINGS),
        await client.post("/v1/product/query", json={"fields": ["id"]}, headers=STRINGS),
    ]
    bodies = [await answer.json() for answer in answers]
    assert [body.get("id") for body in bodies[:3]] == ["1"] * 3
    assert bodies[3] == {"items": [{"id": "1"}], "next": None}
    assert [answer.headers["Preference-Applied"] for answer in answers] == ["numbers=string"] * 4


async def test_aggregates_of_integers_are_strings_and_counts_are_not(sample_rows: aiohttp.ClientSession) -> None:
    query = {
        "filter": {"whole": LARGE},
        "aggregates": {"count": "*", "max": ["whole"], "sum": ["whole"]},
        "group_by": ["whole"],
    }
    async with sample_rows.post("/v1/sample/query", json=query) as response:
        (plain,) = (await response.json())["items"]
    async with sample_rows.post("/v1/sample/query", json=query, headers=STRINGS) as response:
        (found,) = (await response.json())["items"]
    assert (found["group"], found["max"]) == ({"whole": str(LARGE)}, {"whole": str(LARGE)})
    assert found["sum"] == {"whole": str(plain["sum"]["whole"])}
    assert found["count"] == plain["count"]


async def test_changes_in_the_feed_have_the_rows_with_strings(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await client.post("/v1/product", json={"name": "a"})
    await shown(database)
    row, _, _ = await _answer(client, "/v1/product/1", **STRINGS)
    after = json.loads((await _answer(client, "/v1/changes?limit=1000"))[0])["items"][-1]
    content, applied, varies = await _answer(client, "/v1/changes?limit=1000", **STRINGS)
    item = json.loads(content)["items"][-1]
    assert (applied, varies) == ("numbers=string", "Prefer")
    assert (item["id"], item["event"]) == ("1", after["event"])
    assert b'"row":' + row in content


async def test_rows_with_strings_have_an_entity_tag_of_their_own(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a"})
    tag = (await client.get("/v1/product/1", headers=STRINGS)).headers["ETag"]
    assert tag == '"1-s"'
    statuses = {
        (known, *prefer): (await client.get("/v1/product/1", headers={"If-None-Match": known, **prefer})).status
        for known in ('"1"', tag)
        for prefer in ({}, STRINGS)
    }
    assert statuses == {('"1"',): 304, ('"1"', "Prefer"): 200, (tag,): 200, (tag, "Prefer"): 304}


async def test_either_entity_tag_names_the_version_that_is_changed(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a"})
    for number, tag in enumerate(['"1-s"', '"2"', '"3-s"'], 2):
        response = await client.patch("/v1/product/1", json={"name": "b"}, headers={"If-Match": tag})
        assert (response.status, response.headers["ETag"]) == (200, f'"{number}"')
    for tag in ('"3-s"', '"4-x"', '"4s"', 'W/"4-s"'):
        response = await client.patch("/v1/product/1", json={"name": "b"}, headers={"If-Match": tag})
        assert response.status == 412


async def test_a_repeated_request_has_the_form_of_the_first(client: aiohttp.ClientSession) -> None:
    for headers in (STRINGS, {}):
        response = await client.post("/v1/product", json={"name": "a"}, headers={"Idempotency-Key": "k", **headers})
        assert ((await response.json())["id"], response.headers["Preference-Applied"]) == ("1", "numbers=string")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("numbers=string", True),
        ('Numbers = "string"; x=y', True),
        ("respond-async, wait=10, numbers=string", True),
        ('note="a, \\"numbers\\", b", numbers=string', True),
        ("numbers=string, numbers=number", True),
        ("numbers=number, numbers=string", False),
        ('note="a, numbers=string"', False),
        ("numbers", False),
        ("numbers=", False),
        ("numbers=STRING", False),
        ("string", False),
        ('"', False),
        ("", False),
        ("return=minimal", False),
    ],
)
async def test_other_preferences_are_ignored(client: aiohttp.ClientSession, prefer: str, *, applied: bool) -> None:
    await client.post("/v1/product", json={"name": "a"})
    content, found, varies = await _answer(client, "/v1/product/1", Prefer=prefer)
    assert (json.loads(content)["id"], found, varies) == (
        ("1", "numbers=string", "Prefer") if applied else (1, None, "Prefer")
    )


async def test_the_preference_may_be_in_one_of_several_header_fields(client: aiohttp.ClientSession) -> None:
    headers = [("Prefer", "wait=10"), ("Prefer", "numbers=string")]
    async with client.get("/v1/product", headers=headers) as response:
        assert response.headers["Preference-Applied"] == "numbers=string"
