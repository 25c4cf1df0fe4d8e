"""The version of a row: ETag, If-None-Match and If-Match."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from channel import shown
from conftest import MakeSettings, serving_client

CHANGES = [("PATCH", 200), ("PUT", 200), ("DELETE", 204)]
CONTRACTS = """
CREATE TABLE contracts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(), row_version bigint NOT NULL DEFAULT 1
)
"""


@pytest.fixture
async def contracts(
    make_settings: MakeSettings,
    database: asyncpg.Connection,
    token: str,
    model_packages: None,  # noqa: ARG001 - needed for its effect
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service with a model that demands If-Match."""
    await database.execute(CONTRACTS)
    async with serving_client(make_settings(models="demands_if_match"), token) as session:
        yield session
    await database.execute("DROP TABLE contracts")


async def _etag(client: aiohttp.ClientSession) -> str:
    return (await client.get("/v1/product/1")).headers["ETag"]


async def _run(client: aiohttp.ClientSession, operation: str, **parameters: object) -> None:
    response = await client.post(f"/v1/nodes/Product{operation}Node/execute", json={"parameters": parameters})
    assert response.status == 200, await response.text()


async def test_each_answer_with_one_row_has_its_version(client: aiohttp.ClientSession) -> None:
    answers = [
        await client.post("/v1/product", json={"name": "a"}),
        await client.get("/v1/product/1"),
        await client.head("/v1/product/1"),
        await client.patch("/v1/product/1", json={"name": "b"}),
        await client.put("/v1/product/1", json={"name": "c"}),
        await client.get("/v1/product/1"),
    ]
    assert [answer.headers["ETag"] for answer in answers] == ['"1"', '"1"', '"1"', '"2"', '"3"', '"3"']


async def test_each_way_to_change_a_row_counts(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "s"})
    await client.post("/v1/product", json={"name": "other"})
    await _run(client, "Update", id=1, name="b")
    await _run(client, "Upsert", where={"sku": "s"}, create={"name": "c"}, update={"name": "c"})
    await _run(client, "BulkUpdate", filter={"sku": "s"}, fields={"name": "d"})
    await _run(client, "BulkUpdate", data=[{"id": 1, "name": "e"}])
    await _run(client, "BulkUpsert", data=[{"sku": "s", "name": "f"}], conflict_on=["sku"])
    assert await _etag(client) == '"6"'
    await _run(client, "Upsert", where={"sku": "s"}, create={"name": "g"}, update={})
    assert await _etag(client) == '"6"'
    assert (await client.get("/v1/product/2")).headers["ETag"] == '"1"'


async def test_the_version_is_in_no_row_no_list_and_no_change(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    created = await (await client.post("/v1/product", json={"name": "a"})).json()
    changed = await (await client.patch("/v1/product/1", json={"name": "b"})).json()
    listed = await (await client.get("/v1/product")).json()
    await shown(database)
    feed = await (await client.get("/v1/changes")).json()
    assert "row_version" not in created
    assert listed["items"] == [changed]
    assert [item["row"] for item in feed["items"]] == [created, changed]
    assert await database.fetchval("SELECT count(*) FROM changes WHERE row ? 'row_version'") == 0
    assert (await client.get("/v1/product?fields=row_version")).status == 422


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("tags", "status"),
    [
        ('"1"', 304),
        ('W/"1"', 304),
        ("*", 304),
        ('"2", "1"', 304),
        (',"a,b",, W/"1" ,', 304),
        ('"2"', 200),
        ('"01"', 200),
        ('"*"', 200),
    ],
)
async def test_a_row_that_the_caller_has_is_not_sent_again(
    client: aiohttp.ClientSession, method: str, tags: str, status: int
) -> None:
    row = await (await client.post("/v1/product", json={"name": "a"})).read()
    response = await client.request(method, "/v1/product/1", headers={"If-None-Match": tags})
    expected = row if (status, method) == (200, "GET") else b""
    assert (response.status, response.headers["ETag"], await response.read()) == (status, '"1"', expected)


@pytest.mark.parametrize(("method", "status"), CHANGES)
@pytest.mark.parametrize("tags", ['"1"', "*", ' "x" ,"1"', '"1","7"'])
async def test_a_row_with_a_version_that_is_named_is_changed(
    client: aiohttp.ClientSession, method: str, status: int, tags: str
) -> None:
    await client.post("/v1/product", json={"name": "a"})
    response = await client.request(method, "/v1/product/1", json={"name": "b"}, headers={"If-Match": tags})
    assert response.status == status


@pytest.mark.parametrize("method", [method for method, _ in CHANGES])
@pytest.mark.parametrize("tags", ['"1"', 'W/"2"', '"02"', '"x"', '"9223372036854775808"', '"1", "3"'])
async def test_a_row_with_another_version_is_left_as_it_is(
    client: aiohttp.ClientSession, method: str, tags: str
) -> None:
    await client.post("/v1/product", json={"name": "a"})
    row = await (await client.patch("/v1/product/1", json={"name": "b"})).json()
    response = await client.request(method, "/v1/product/1", json={"name": "c"}, headers={"If-Match": tags})
    assert (response.status, await problem(response)) == (
        412,
        {
            "type": "urn:nexus:problem:version-mismatch",
            "title": "The row has changed",
            "status": 412,
            "detail": "The product with the id 1 has another version than If-Match names: it was changed since it was read. "
            "Read it again, and decide whether the change still applies.",
            "etag": '"2"',
        },
    )
    assert await (await client.get("/v1/product/1")).json() == row


async def test_versions_may_be_named_in_several_header_fields(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a"})
    headers = [("If-Match", '"7"'), ("If-Match", '"1"')]
    assert (await client.patch("/v1/product/1", json={"name": "b"}, headers=headers)).status == 200


@pytest.mark.parametrize("method", [method for method, _ in CHANGES])
@pytest.mark.parametrize("tags", ['"1"', "*"])
async def test_a_row_that_is_not_there_has_no_version(client: aiohttp.ClientSession, method: str, tags: str) -> None:
    response = await client.request(method, "/v1/product/1", json={"name": "b"}, headers={"If-Match": tags})
    assert (response.status, (await problem(response))["type"]) == (404, "urn:nexus:problem:no-such-row")


@pytest.mark.parametrize("tags", ["", ",", "1", '"1', '"a"b"', '*, "1"', '"1" "2"', 'w/"1"', '"a b"'])
@pytest.mark.parametrize(
    ("method", "header"), [("GET", "If-None-Match"), *((method, "If-Match") for method, _ in CHANGES)]
)
async def test_what_is_no_list_of_entity_tags_is_refused(
    client: aiohttp.ClientSession, method: str, header: str, tags: str
) -> None:
    await client.post("/v1/product", json={"name": "a"})
    response = await client.request(method, "/v1/product/1", json={"name": "b"}, headers={header: tags})
    assert (response.status, await problem(response)) == (
        400,
        {
            "type": "urn:nexus:problem:invalid-entity-tags",
            "title": "The entity tags cannot be read",
            "status": 400,
            "detail": f'{header} should be a list of entity tags such as "1", with their quotes, or *. Send the ETag of an '
            "answer unchanged.",
            "header": header,
        },
    )


@pytest.mark.parametrize(("method", "status"), CHANGES)
async def test_a_model_may_demand_that_the_version_is_named(
    contracts: aiohttp.ClientSession, method: str, status: int
) -> None:
    created = await contracts.post("/v1/contract", json={"name": "a"})
    response = await contracts.request(method, "/v1/contract/1", json={"name": "b"})
    assert (response.status, await problem(response)) == (
        428,
        {
            "type": "urn:nexus:problem:version-required",
            "title": "If-Match is missing",
            "status": 428,
            "detail": "Contract is changed only with If-Match. Read the row, and send its ETag as If-Match.",
        },
    )
    headers = {"If-Match": created.headers["ETag"]}
    assert (await contracts.request(method, "/v1/contract/1", json={"name": "b"}, headers=headers)).status == status


async def test_the_header_fields_are_in_the_openapi_document(client: aiohttp.ClientSession) -> None:
    operations = (await (await client.get("/openapi.json")).json())["paths"]["/v1/product/{row_id}"]
    headers = {
        method: [one["name"] for one in operation["parameters"] if one["in"] == "header"]
        for method, operation in operations.items()
    }
    assert headers == {
        "get": ["If-None-Match", "Prefer"],
        "patch": ["If-Match", "Prefer"],
        "put": ["If-Match", "Prefer"],
        "delete": ["If-Match"],
    }


async def _add_writer(client: aiohttp.ClientSession, number: int) -> int:
    """Add a number to the row's list of writers, as often as others are faster; returns how often they were."""
    refused = 0
    while True:
        read = await client.get("/v1/product/1")
        row: dict[str, Any] = await read.json()
        writers = [*row["attributes"]["writers"], number]
        headers = {"If-Match": read.headers["ETag"]}
        response = await client.patch("/v1/product/1", json={"attributes": {"writers": writers}}, headers=headers)
        if response.status == 200:
            return refused
        assert response.status == 412
        refused += 1
        await asyncio.sleep(0.002 * number)


async def test_a_hundred_writers_of_one_row_lose_no_update(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a", "attributes": {"writers": []}})
    refused = await asyncio.gather(*(_add_writer(client, number) for number in range(100)))
    read = await client.get("/v1/product/1")
    assert sorted((await read.json())["attributes"]["writers"]) == list(range(100))
    assert read.headers["ETag"] == '"101"'
    assert sum(refused) >= 50


async def test_of_a_hundred_writers_who_have_seen_one_version_one_wins(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a"})
    changes = (
        client.patch("/v1/product/1", json={"name": f"n{number}"}, headers={"If-Match": '"1"'}) for number in range(100)
    )
    statuses = [response.status for response in await asyncio.gather(*changes)]
    assert sorted(statuses) == [200, *[412] * 99]
    assert await _etag(client) == '"2"'
