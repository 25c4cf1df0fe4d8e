"""Search: what people type finds rows, the best first, and nothing that they type is a failure."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from conftest import MakeSettings, make_tables, serving_client
from naughty import NAUGHTY

from dataflow_service.registry import search_expressions
from nexus_testkit.html_page import open_page

ROWS = [
    {"name": "Hexagon bolt M8x40", "description": "steel, zinc plated", "sku": "B-840"},
    {"name": "Hexagon bolt M10x40", "description": "stainless steel", "sku": "B-1040"},
    {"name": "Anchor bolt", "description": "for hexagon nuts, in concrete", "sku": "AB-12"},
    {"name": "Solenoid valve", "description": "brass, 24 V", "sku": "V-24"},
    {"name": "Cable tie 100%", "description": None, "sku": None},
]
ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff"


@pytest.fixture
async def client(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with the models of the package searched, which has no wares."""
    settings = make_settings(models="searched")
    await make_tables(settings)
    await database.execute("TRUNCATE wares RESTART IDENTITY")
    async with serving_client(settings, token) as session:
        yield session


@pytest.fixture
async def shop_of_bolts(client: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Client of a service with `ROWS`, whose ids start at 1."""
    assert (await client.post("/v1/ware/bulk", json=ROWS)).status == 201
    return client


async def _found(client: aiohttp.ClientSession, search: str, **query: str) -> list[int]:
    response = await client.get("/v1/ware", params={"search": search, "fields": "id", **query})
    assert response.status == 200, await response.text()
    return [row["id"] for row in (await response.json())["items"]]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("hexagon bolt", [1, 2, 3]),
        ("BOLTS", [1, 2, 3]),  # another form of the word
        ("bolt steel", [1, 2]),  # of several fields
        ("m8", [1]),  # the beginning of a word
        ("B-840", [1]),
        ("840", [1]),  # a part of a code
        ("-840", [1]),
        ("exago", [1, 2, 3]),  # a part of a word
        ("hexagn bolt", [1, 2, 3]),  # typing mistakes
        ("solenod vlve", [4]),
        ("100%", [5]),
        ("hexagon -zinc", [2, 3]),
        ('"hexagon bolt"', [1, 2]),
        ("valve or tie", [4, 5]),
        ("washer", []),
        ("the", []),
    ],
)
async def test_what_people_type_finds_rows(shop_of_bolts: aiohttp.ClientSession, search: str, ids: list[int]) -> None:
    assert sorted(await _found(shop_of_bolts, search)) == ids


async def test_rows_that_match_better_come_first_unless_an_order_is_asked_for(
    shop_of_bolts: aiohttp.ClientSession,
) -> None:
    await shop_of_bolts.post("/v1/ware", json={"name": "Bolt", "description": "bolt, hexagon bolt, hexagon bolt"})
    assert (await _found(shop_of_bolts, "hexagon bolt"))[0] == 6
    assert await _found(shop_of_bolts, "hexagon bolt", order="id") == [1, 2, 3, 6]
    assert (await _found(shop_of_bolts, "anchr bolt"))[0] == 3


async def test_similar_rows_are_found_only_where_no_row_of_the_filter_matches(
    shop_of_bolts: aiohttp.ClientSession,
) -> None:
    await shop_of_bolts.post("/v1/ware", json={"name": "Hexagn, a misprint"})
    assert await _found(shop_of_bolts, "hexagn") == [6]
    assert sorted(await _found(shop_of_bolts, "hexagn", filter='{"sku": {"$null": false}}')) == [1, 2, 3]


@pytest.mark.parametrize("search", ["hexagon", "hexgon"])
async def test_pages_have_each_row_once_while_others_write(client: aiohttp.ClientSession, search: str) -> None:
    rows = [{"name": f"Hexagon bolt {number % 7} {'hexagon ' * (number % 3)}"} for number in range(40)]
    await client.post("/v1/ware/bulk", json=rows)
    expected = await _found(client, search)
    assert sorted(expected) == list(range(1, 41))
    found: list[int] = []
    query = {"search": search, "fields": "id", "limit": "7"}
    while True:
        page = await (await client.get("/v1/ware", params=query)).json()
        found += [row["id"] for row in page["items"]]
        await client.post("/v1/ware", json={"name": "Washer"})
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == expected


async def test_a_search_is_the_same_in_queries_counts_exports_groups_and_nodes(
    shop_of_bolts: aiohttp.ClientSession,
) -> None:
    expected = await _found(shop_of_bolts, "hexagn bolt")
    sought: dict[str, Any] = {"search": "hexagn bolt"}
    queried = await shop_of_bolts.post("/v1/ware/query", json={**sought, "fields": "id"})
    assert [row["id"] for row in (await queried.json())["items"]] == expected
    counted = await shop_of_bolts.get("/v1/ware/count", params=sought)
    assert await counted.json() == {"count": 3}
    exported = await shop_of_bolts.get("/v1/ware/export", params={**sought, "fields": "id"})
    assert [json.loads(line)["id"] for line in (await exported.text()).splitlines()] == expected
    grouped = await shop_of_bolts.post("/v1/ware/query", json={**sought, "aggregates": {"count": "*"}})
    assert (await grouped.json())["items"] == [{"group": {}, "count": {"*": 3}}]
    listed = await shop_of_bolts.post("/v1/nodes/WareListNode/execute", json={"parameters": {**sought, "fields": "id"}})
    assert [row["id"] for row in (await listed.json())["items"]] == expected
    numbered = await shop_of_bolts.post("/v1/nodes/WareCountNode/execute", json={"parameters": sought})
    assert await numbered.json() == {"count": 3}


async def test_words_are_those_of_the_language_and_ids_can_be_searched(client: aiohttp.ClientSession) -> None:
    rows = [{"id": "Z-77", "heading": "Häuser am See"}, {"id": "Y-1", "heading": "Straße", "note": "ohne Haus"}]
    assert (await client.post("/v1/essay/bulk", json=rows)).status == 201
    for search, ids in (("haus", ["Z-77", "Y-1"]), ("Z-77", ["Z-77"]), ("Strase", ["Y-1"]), ("Tür", [])):
        page = await (await client.get("/v1/essay", params={"search": search, "fields": "id"})).json()
        assert sorted(row["id"] for row in page["items"]) == sorted(ids), search


async def test_nothing_that_is_typed_is_a_failure(shop_of_bolts: aiohttp.ClientSession) -> None:
    strange = [
        *(text for text in NAUGHTY if len(text) <= 200 and len(text.split()) <= 10),
        *(
            "& | ! ( ) : * <-> <2>",
            "'a' & :*",
            "a:*b:A",
            "((((",
            '"',
            '" "',
            '"a',
            "or",
            "or or",
            "-",
            "- -",
            "--a",
            "!!a",
        ),
        *(
            "\\",
            "a\\",
            "%",
            "_",
            "%%%",
            "a%' OR 1=1",
            "'",
            "''''",
            "$1",
            "{}",
            "\\x00",
            "x" * 200,
            "a " * 10,
            "-x " * 10,
        ),
        *(ZERO_WIDTH, "", " ", "\t\n", "\u0301", "\U0001f529", "六角"),
    ]
    assert len(strange) > 500
    for text in strange:
        for body in ({"search": text}, {"search": text, "aggregates": {"count": "*"}}):
            response = await shop_of_bolts.post("/v1/ware/query", json=body)
            assert response.status == 200, (text, await response.text())


async def test_a_search_without_a_word_finds_nothing(shop_of_bolts: aiohttp.ClientSession) -> None:
    for text in ("", " ", ZERO_WIDTH, "...", "-", '""', "\U0001f529"):
        assert await _found(shop_of_bolts, text) == []


@pytest.mark.parametrize(
    ("search", "fault"),
    [
        ("a\0b", "contains the character U+0000, which PostgreSQL cannot store; leave it out"),
        ("x" * 100_000, "has 100000 characters; a search has at most 200"),
        ("a " * 11, "has 11 words; a search has at most 10"),
        (5, "should be a string"),
        (["a"], "should be a string"),
    ],
)
async def test_what_is_no_search_is_refused_everywhere(
    client: aiohttp.ClientSession, search: object, fault: str
) -> None:
    body = {"search": search}
    assert await problem(await client.post("/v1/ware/query", json=body)) == invalid(("/body/search", fault))
    for node in ("List", "Count"):
        response = await client.post(f"/v1/nodes/Ware{node}Node/execute", json={"parameters": body})
        assert await problem(response) == invalid(("/body/parameters/search", fault))
    if isinstance(search, str) and len(search) < 1000:
        for path in ("/v1/ware", "/v1/ware/count", "/v1/ware/export"):
            response = await client.get(path, params={"search": search})
            assert await problem(response) == invalid(("/query/search", fault))


async def test_a_model_that_declares_no_search_has_none(client: aiohttp.ClientSession) -> None:
    fault = "is not offered: Gloss declares no __search__; use a filter with $ilike"
    response = await client.get("/v1/gloss", params={"search": "a"})
    assert await problem(response) == invalid(("/query/search", fault))
    described = [(await (await client.get(f"/v1/models/{name}")).json())["search"] for name in ("Essay", "Gloss")]
    assert described == [{"fields": ["id", "heading", "note"], "language": "german"}, None]
    paths = (await (await client.get("/openapi.json")).json())["paths"]
    offered = [[one["name"] for one in paths[f"/v1/{path}"]["get"]["parameters"]] for path in ("essay", "gloss")]
    assert ["search" in names for names in offered] == [True, False]


async def test_rows_of_another_tenant_are_neither_found_nor_change_what_is_found(
    shop_of_bolts: aiohttp.ClientSession, postgres_url: str
) -> None:
    connection = await asyncpg.connect(postgres_url, server_settings={"app.tenant": "acme"})
    await connection.execute("INSERT INTO wares (name) VALUES ('hexagn secret')")
    await connection.close()
    assert await _found(shop_of_bolts, "secret") == []
    assert sorted(await _found(shop_of_bolts, "hexagn")) == [1, 2, 3]


async def test_a_database_that_lacks_the_extension_is_named(
    shop_of_bolts: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_expressions, "text", lambda *_: "no_such_function()")
    response = await shop_of_bolts.get("/v1/ware", params={"search": "bolt"})
    found = await problem(response)
    assert (found["status"], found["type"]) == (503, "urn:nexus:problem:search-unavailable")
    assert "pg_trgm" in str(found["detail"])


async def test_the_page_of_rows_has_a_field_to_search(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/ware/bulk", json=[{"name": f"bolt {number}"} for number in range(1, 26)])
    await client.post("/v1/ware", json={"name": "washer & <b>"})
    first = (await open_page(client, "/pages/models/Ware/rows?search=bolt")).one("main")
    links = list(first.every("nav"))[-1].links()
    second = (await open_page(client, urljoin("/pages/models/Ware/rows", links["More rows"]))).one("main")
    assert [len(found.table()) - 1 for found in (first, second)] == [20, 5]
    assert links["Newest rows"] == "../../models/Ware/rows"
    shown = (await open_page(client, "/pages/models/Ware/rows?search=%3Cb%3E%26")).one("main")
    assert shown.one("input").attributes["value"] == "<b>&"
    everything = (await open_page(client, "/pages/models/Ware/rows?search=")).one("main")
    assert len(everything.table()) - 1 == 20
