import io
import json

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem

MIB = 1024 * 1024


async def _pages(client: aiohttp.ClientSession, query: str) -> list[list[int]]:
    pages, after = [], ""
    while True:
        page = await (await client.get(f"/v1/product?{query}{after}")).json()
        pages.append([row["id"] for row in page["items"]])
        if page["next"] is None:
            return pages
        after = f"&after={page['next']}"


async def test_pages_follow_the_ids_both_ways(client: aiohttp.ClientSession) -> None:
    assert await _pages(client, "limit=2&order=id") == [[]]
    await client.post("/v1/product/bulk", json=[{"name": "x"}] * 5)
    assert await _pages(client, "limit=2&order=id") == [[1, 2], [3, 4], [5]]
    assert await _pages(client, "limit=2&order=-id") == [[5, 4], [3, 2], [1]]
    await client.delete("/v1/product/5")
    assert await _pages(client, "limit=2&order=id") == [[1, 2], [3, 4]]
    assert await (await client.get("/v1/product/count")).json() == {"count": 4}


@pytest.mark.parametrize("order", ["id", "-id"])
async def test_a_page_ends_early_at_one_mebibyte_and_loses_no_row(client: aiohttp.ClientSession, order: str) -> None:
    sent = [{"name": "x", "description": "d" * 32000, "attributes": {"a": "a" * 30000}} for _ in range(60)]
    body = io.BytesIO(json.dumps(sent).encode())
    assert (await client.post("/v1/product/bulk", data=body, headers=JSON)).status == 201
    page = await client.get(f"/v1/product?limit=1000&order={order}")
    assert MIB <= len(await page.read()) < MIB + 65536 + 1024
    pages = await _pages(client, f"limit=1000&order={order}")
    assert [len(page) for page in pages] == [17, 17, 17, 9]
    ids = list(range(1, 61))
    assert [row_id for page in pages for row_id in page] == (ids if order == "id" else ids[::-1])


async def test_a_row_larger_than_a_page_is_a_page(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.post("/v1/product/bulk", json=[{"name": "small"}] * 3)
    await database.execute("UPDATE products SET description = repeat('x', 4 * 1024 * 1024) WHERE id = 2")
    assert await _pages(client, "limit=3") == [[1, 2], [3]]


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("limit=0", ("/query/limit", "Input should be greater than or equal to 1")),
        ("limit=1001", ("/query/limit", "Input should be less than or equal to 1000")),
        (
            "after=x",
            ("/query/after", "should be an integer in decimal digits, without a leading zero or plus sign"),
        ),
        (
            "after=%2B1",
            ("/query/after", "should be an integer in decimal digits, without a leading zero or plus sign"),
        ),
        (
            "after=9223372036854775808",
            (
                "/query/after",
                "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807",
            ),
        ),
    ],
)
async def test_a_page_is_asked_for_in_known_terms(
    client: aiohttp.ClientSession, query: str, fault: tuple[str, str]
) -> None:
    assert await problem(await client.get(f"/v1/product?{query}")) == invalid(fault)


UNKNOWN = "There is no query parameter {}. Known are: after, deleted, expand, fields, filter, limit, order, search."


@pytest.mark.parametrize(
    ("query", "slug", "title", "detail"),
    [
        ("sku=NOPE", "unknown-parameter", "A query parameter is unknown", UNKNOWN.format("'sku'")),
        ("filters={}", "unknown-parameter", "A query parameter is unknown", UNKNOWN.format("'filters'")),
        ("Limit=1", "unknown-parameter", "A query parameter is unknown", UNKNOWN.format("'Limit'")),
        (
            "limit=1&limit=2",
            "repeated-parameter",
            "A query parameter is repeated",
            "The query parameter 'limit' is given more than once. Give it once.",
        ),
    ],
)
async def test_query_parameters_that_are_unknown_or_repeated_are_refused(
    client: aiohttp.ClientSession, query: str, slug: str, title: str, detail: str
) -> None:
    response = await client.get(f"/v1/product?{query}")
    expected = {"type": f"urn:nexus:problem:{slug}", "title": title, "status": 400, "detail": detail}
    assert (response.status, await problem(response)) == (400, expected)


async def test_no_other_endpoint_has_query_parameters(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await client.post("/v1/product", json={"name": "kept"})
    writes = [("POST", ""), ("POST", "/bulk"), ("PATCH", "/1"), ("PUT", "/1"), ("DELETE", "/1")]
    for method, path in [*writes, ("GET", "/count"), ("GET", "/1")]:
        response = await client.request(method, f"/v1/product{path}?dry_run=true", json={"name": "changed"})
        assert (response.status, (await problem(response))["type"]) == (400, "urn:nexus:problem:unknown-parameter")
    assert [row["name"] for row in await database.fetch("SELECT name FROM products")] == ["kept"]
