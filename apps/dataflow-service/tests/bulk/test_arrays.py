import io
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem

WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"


async def _rows(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM products"))


async def test_bulk_creates_all_rows_in_the_order_sent(client: aiohttp.ClientSession) -> None:
    sent = [{"name": f"Product {number}", "attributes": {"n": number}} for number in range(1000)]
    response = await client.post("/v1/product/bulk", json=sent)
    assert (response.status, await response.json()) == (201, {"created": 1000, "ids": list(range(1, 1001))})
    rows = (await (await client.get("/v1/product?limit=1000")).json())["items"]
    assert [(row["id"], row["name"], row["attributes"]) for row in rows] == [
        (number + 1, item["name"], item["attributes"]) for number, item in enumerate(sent)
    ]


async def test_bulk_creates_nothing_when_one_row_is_wrong(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    response = await client.post("/v1/product/bulk", json=[{"name": "fine"}, {"name": ""}, {"colour": "red"}, 5])
    assert await problem(response) == invalid(
        ("/body/1/name", "String should have at least 1 character"),
        ("/body/2/colour", f"is no field of Product; its fields are {WRITTEN}"),
        ("/body/3", "should be an object"),
    )
    assert await _rows(database) == 0


async def test_bulk_of_nothing_creates_nothing(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/product/bulk", json=[])
    assert (response.status, await response.json()) == (201, {"created": 0, "ids": []})


async def test_bulk_accepts_an_array_only(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/product/bulk", json={"name": "x"})
    assert await problem(response) == invalid(("/body", "should be an array of objects"))


async def test_ten_faults_are_named(client: aiohttp.ClientSession) -> None:
    rows = await client.post("/v1/product/bulk", json=[{}] * 150)
    assert await problem(rows) == invalid(*[(f"/body/{place}/name", "is missing") for place in range(10)])
    long = {f"{number:03}" + "k" * 200: 1 for number in range(900)}
    text = f"is no field of Product; its fields are {WRITTEN}"
    members = await client.post("/v1/product", json=long)
    assert await problem(members) == invalid(*[(f"/body/{number:03}" + "k" * 97, text) for number in range(10)])


async def test_bulk_takes_a_thousand_rows_at_once(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    response = await client.post("/v1/product/bulk", json=[{"name": "x"}] * 1001)
    assert (response.status, await problem(response)) == (
        413,
        {
            "type": "urn:nexus:problem:too-many-rows",
            "title": "There are too many rows in one request",
            "status": 413,
            "detail": "There are 1001 rows in the array; one request takes 1000. Send the array in parts.",
            "limit": 1000,
        },
    )
    assert await _rows(database) == 0


def _too_large(limit: int) -> dict[str, object]:
    return {
        "type": "urn:nexus:problem:body-too-large",
        "title": "The request body is too large",
        "status": 413,
        "detail": f"At most {limit} bytes are accepted here. Send the content in parts.",
        "limit": limit,
    }


@pytest.mark.parametrize(
    ("method", "path", "limit"),
    [("POST", "", 262144), ("PATCH", "/1", 262144), ("PUT", "/1", 262144), ("POST", "/bulk", 4194304)],
)
async def test_a_body_is_limited_by_what_is_done_with_it(
    client: aiohttp.ClientSession, method: str, path: str, limit: int
) -> None:
    await client.post("/v1/product", json={"name": "x"})
    fits = await client.request(method, f"/v1/product{path}", data=io.BytesIO(b" " * (limit - 2) + b"[]"), headers=JSON)
    assert fits.status != 413
    exceeds = await client.request(
        method, f"/v1/product{path}", data=io.BytesIO(b" " * (limit - 1) + b"[]"), headers=JSON
    )
    assert (exceeds.status, await problem(exceeds)) == (413, _too_large(limit))


async def test_a_row_is_limited_wherever_it_is_written(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    def row(size: int) -> dict[str, Any]:
        return {"name": "n" * 6, "description": "é" * ((size - 8) // 2), "attributes": {}}

    assert (await client.post("/v1/product", json=row(65536))).status == 201
    text = "has 65538 bytes of text; a row has at most 65536"
    for method, path in (("POST", ""), ("PUT", "/1"), ("PATCH", "/1")):
        response = await client.request(method, f"/v1/product{path}", json=row(65538))
        assert await problem(response) == invalid(("/body", text))
    response = await client.post("/v1/product/bulk", json=[row(65536), row(65538)])
    assert await problem(response) == invalid(("/body/1", text))
    assert await _rows(database) == 1
