"""The models of the default catalogue, as a fresh stack serves them."""

import io
import time
from typing import Any

import aiohttp
import asyncpg
from answers import problem
from streams import NDJSON, ndjson

MANY = 10_000


async def _create(client: aiohttp.ClientSession, path: str, **row: object) -> Any:  # noqa: ANN401 - any JSON
    response = await client.post(f"/v1/{path}", json=row)
    assert response.status == 201, await response.text()
    return await response.json()


async def test_a_catalogue_is_written_and_its_parts_go_with_what_they_belong_to(client: aiohttp.ClientSession) -> None:
    await _create(client, "supplier", id="S-1", name="Norm & Co", country="DE", email="a@b.example")
    await _create(client, "category", id="31", name="Parts")
    await _create(client, "category", id="3116", name="Hardware", parent_id="31")
    await _create(client, "attribute", id="EF1", name="Thread", kind="choice", choices=["M6", "M8"], category_id="3116")
    product = (await _create(client, "product", name="Bolt"))["id"]
    await _create(
        client, "pricelist", id="P-1", name="List", currency="EUR", valid_from="2026-01-01", supplier_id="S-1"
    )
    item = await _create(client, "priceitem", price_list_id="P-1", product_id=product, price="0.12")
    assert (item["minimum_quantity"], item["price"]) == ("1", "0.12")
    await _create(
        client, "document", title="Sheet", kind="datasheet", url="https://b.example/1.pdf", product_id=product
    )

    assert (await problem(await client.delete("/v1/category/31")))["fields"] == ["parent_id"]
    assert (await problem(await client.delete("/v1/supplier/S-1")))["model"] == "pricelist"
    assert (await client.delete(f"/v1/product/{product}")).status == 204
    for path in ("priceitem", "document"):
        assert await (await client.get(f"/v1/{path}/count")).json() == {"count": 0}
    assert (await client.delete("/v1/category/3116")).status == 204
    assert await (await client.get("/v1/attribute/count")).json() == {"count": 0}


async def test_prices_below_zero_and_a_second_price_for_a_quantity_are_refused(client: aiohttp.ClientSession) -> None:
    product = (await _create(client, "product", name="Bolt"))["id"]
    await _create(client, "pricelist", id="P-1", name="List", currency="EUR", valid_from="2026-01-01")
    row = {"price_list_id": "P-1", "product_id": product, "price": "1"}
    refused = await problem(await client.post("/v1/priceitem", json={**row, "price": "-1"}))
    assert refused["errors"] == [{"pointer": "/body/price", "detail": "Input should be greater than or equal to 0"}]
    await _create(client, "priceitem", **row)
    refused = await problem(await client.post("/v1/priceitem", json={**row, "minimum_quantity": "1.0"}))
    assert (refused["status"], refused["fields"]) == (409, ["price_list_id", "product_id", "minimum_quantity"])


async def test_many_rows_are_changed_soon_where_the_tables_were_empty_when_their_rows_were_counted(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    numbers = range(MANY)
    suppliers = [{"id": f"S-{number}", "name": f"Norm {number}"} for number in numbers]
    lists = [
        {"id": f"P-{n}", "name": "List", "currency": "EUR", "valid_from": "2026-01-01", "supplier_id": f"S-{n}"}
        for n in numbers
    ]
    steps = [
        ("supplier", "create", suppliers),
        ("pricelist", "create", lists),
        ("supplier", "update", suppliers),
        ("pricelist", "delete", [{"id": row["id"]} for row in lists]),
        ("supplier", "delete", [{"id": row["id"]} for row in suppliers]),
    ]
    rounds = []
    for _ in range(2):
        started = time.monotonic()
        for model, operation, rows in steps:
            path = f"/v1/{model}/bulk?operation={operation}"
            async with client.post(path, data=io.BytesIO(ndjson(rows)), headers=NDJSON) as response:
                assert await response.json() == {f"{operation}d": MANY}
        rounds.append(time.monotonic() - started)
        await database.execute("ANALYZE suppliers, price_lists")
    assert rounds[1] < 5 * rounds[0]


async def test_rows_are_counted_for_a_role_that_owns_no_table(
    client: aiohttp.ClientSession,  # noqa: ARG001 - migrates the schema
    database: asyncpg.Connection,
    service_role: str,
    postgres_url: str,
) -> None:
    filled = "INSERT INTO counted SELECT repeat('x', 50) FROM generate_series(1, 5000)"
    for statement in ("CREATE TABLE counted (name text)", filled, "DELETE FROM counted", "ANALYZE counted", filled):
        await database.execute(statement)
    role = await asyncpg.connect(postgres_url, user=service_role, password="unit")
    await role.execute("SELECT recount(ARRAY['counted', 'absent'])")
    await role.close()
    assert await database.fetchval("SELECT reltuples FROM pg_class WHERE oid = 'counted'::regclass") == 5000
    await database.execute("DROP TABLE counted")
