"""POST /v1/{model}/upsert: one row, created or changed."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem
from conftest import MakeSettings, serving_client
from yarl import URL

from nexus_testkit import Issuer

PATH = "/v1/product/upsert"
ON_SKU = f"{PATH}?on=sku"
DELIVERIES = """
CREATE TABLE deliveries (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text NOT NULL UNIQUE, name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    row_version bigint NOT NULL DEFAULT 1
)
"""


@pytest.fixture
async def deliveries(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with a model that has a unique index and demands If-Match."""
    await database.execute(DELIVERIES)
    async with serving_client(make_settings(models="unique_with_if_match"), token) as session:
        yield session
    await database.execute("DROP TABLE deliveries")


async def test_a_row_is_created_where_none_has_the_fields(client: aiohttp.ClientSession) -> None:
    response = await client.post(ON_SKU, json={"sku": "S", "name": "a"})
    headers = [response.headers[name] for name in ("Location", "ETag", "Content-Type")]
    assert (response.status, headers) == (201, ["../product/1", '"1"', "application/json"])
    created = await client.get(response.url.join(URL(response.headers["Location"])))
    assert await created.read() == await response.read()


async def test_the_fields_that_are_sent_are_set_in_the_row_that_has_them(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"sku": "S", "name": "a", "supplier": "x"})
    response = await client.post(ON_SKU, json={"sku": "S", "name": "b"})
    assert (response.status, response.headers["ETag"], "Location" in response.headers) == (200, '"2"', False)
    row = await response.json()
    assert (row["id"], row["name"], row["supplier"]) == (1, "b", "x")
    assert await (await client.get("/v1/product/1")).read() == await response.read()


async def test_each_upsert_is_logged_as_what_it_was(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    before = await database.fetchval("SELECT coalesce(max(id), 0) FROM change_sets")
    for name in ("a", "b"):
        await client.post(ON_SKU, json={"sku": "S", "name": name})
    logged = await database.fetch("SELECT operation, changed FROM change_sets WHERE id > $1 ORDER BY id", before)
    assert [row["operation"] for row in logged] == ["create", "update"]
    assert logged[1]["changed"] == ["name"]


@pytest.mark.parametrize("tags", ['"1"', "*", '"7", "1"'])
async def test_a_row_with_a_version_that_is_named_is_changed(client: aiohttp.ClientSession, tags: str) -> None:
    await client.post(ON_SKU, json={"sku": "S", "name": "a"})
    response = await client.post(ON_SKU, json={"sku": "S", "name": "b"}, headers={"If-Match": tags})
    assert (response.status, response.headers["ETag"]) == (200, '"2"')


@pytest.mark.parametrize("tags", ['"2"', 'W/"1"', '"x"'])
async def test_a_row_with_another_version_is_left_as_it_is(
    client: aiohttp.ClientSession, database: asyncpg.Connection, tags: str
) -> None:
    row = await (await client.post(ON_SKU, json={"sku": "S", "name": "a"})).read()
    before = await database.fetchval("SELECT count(*) FROM changes")
    response = await client.post(ON_SKU, json={"sku": "S", "name": "b"}, headers={"If-Match": tags})
    found = await problem(response)
    assert (response.status, found["type"], found["etag"]) == (412, "urn:nexus:problem:version-mismatch", '"1"')
    assert await (await client.get("/v1/product/1")).read() == row
    assert await database.fetchval("SELECT count(*) FROM changes") == before


@pytest.mark.parametrize("tags", ['"1"', "*"])
async def test_a_row_that_is_not_there_has_no_version(
    client: aiohttp.ClientSession, database: asyncpg.Connection, tags: str
) -> None:
    response = await client.post(ON_SKU, json={"sku": "S", "name": "a"}, headers={"If-Match": tags})
    assert (response.status, await problem(response)) == (
        412,
        {
            "type": "urn:nexus:problem:no-version",
            "title": "There is no such row",
            "status": 412,
            "detail": "If-Match names a version, and there is no such product. Nothing was done. Send the request without "
            "If-Match to create the row.",
        },
    )
    assert await database.fetchval("SELECT count(*) FROM products") == 0


async def test_a_model_may_demand_that_the_version_of_a_row_that_is_there_is_named(
    deliveries: aiohttp.ClientSession,
) -> None:
    path = "/v1/handover/upsert?on=code"
    created = await deliveries.post(path, json={"code": "A", "name": "a"})
    assert created.status == 201
    for body in ({"code": "A", "name": "b"}, {"code": "A", "name": "a"}):
        response = await deliveries.post(path, json=body)
        assert (response.status, (await problem(response))["type"]) == (428, "urn:nexus:problem:version-required")
    headers = {"If-Match": created.headers["ETag"]}
    changed = await deliveries.post(path, json={"code": "A", "name": "b"}, headers=headers)
    assert (changed.status, changed.headers["ETag"]) == (200, '"2"')


@pytest.mark.parametrize(
    ("address", "body", "fault"),
    [
        (PATH, {"name": "a"}, ("/query/on", "should have the fields of a unique index of Product: sku")),
        (f"{PATH}?on=name", {"name": "a"}, ("/query/on", "should have the fields of a unique index of Product: sku")),
        (ON_SKU, {"name": "a"}, ("/body/sku", "should have a value: it identifies the row")),
        (ON_SKU, [{"name": "a"}], ("/body", "should be an object")),
        (ON_SKU, {"sku": "S"}, ("/body/name", "is missing")),
    ],
)
async def test_what_identifies_no_row_is_refused(
    client: aiohttp.ClientSession, address: str, body: object, fault: tuple[str, str]
) -> None:
    response = await client.post(address, json=body)
    assert (response.status, await problem(response)) == (422, invalid(fault))


async def test_a_malformed_if_match_is_refused_before_anything_is_written(client: aiohttp.ClientSession) -> None:
    response = await client.post(ON_SKU, json={"sku": "S", "name": "a"}, headers={"If-Match": "1"})
    assert (response.status, (await problem(response))["type"]) == (400, "urn:nexus:problem:invalid-entity-tags")
    assert (await client.get("/v1/product/1")).status == 404


async def test_fifty_clients_at_once_make_one_row(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    bodies = ({"sku": "S", "name": f"n{number}"} for number in range(50))
    responses = await asyncio.gather(*(client.post(ON_SKU, json=body) for body in bodies))
    assert sorted(response.status for response in responses) == [*[200] * 49, 201]
    assert sorted(int(response.headers["ETag"].strip('"')) for response in responses) == list(range(1, 51))
    assert await database.fetchval("SELECT count(*) FROM products") == 1


async def test_writing_needs_the_right_to_write(service: str, issuer: Issuer) -> None:
    token = issuer.mint("dataflow-service", {"data:read"})
    headers = {"Authorization": f"Bearer {token}", **JSON}
    async with aiohttp.ClientSession(service, headers=headers) as reader:
        assert (await reader.post(ON_SKU, data=b'{"sku": "S", "name": "a"}')).status == 403


async def test_the_operation_is_in_the_openapi_document(client: aiohttp.ClientSession) -> None:
    operation = (await (await client.get("/openapi.json")).json())["paths"][PATH]["post"]
    names = {(one["in"], one["name"]) for one in operation["parameters"]}
    assert names == {("query", "on"), ("header", "If-Match"), ("header", "Idempotency-Key"), ("header", "Prefer")}
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/ProductValues"}
    answers = [operation["responses"][status]["content"]["application/json"]["schema"] for status in ("200", "201")]
    assert answers == [{"$ref": "#/components/schemas/Product"}] * 2
