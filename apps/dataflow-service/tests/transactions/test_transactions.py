"""POST /v1/transactions: all operations take effect or none."""

import io
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem
from channel import shown

from nexus_testkit import Issuer

WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"


def _operation(operation: str, **parameters: object) -> dict[str, object]:
    return {"node": f"Product{operation}Node", "parameters": parameters}


async def _send(client: aiohttp.ClientSession, *operations: object) -> aiohttp.ClientResponse:
    return await client.post("/v1/transactions", json={"operations": operations})


async def _rows(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM products"))


async def test_operations_run_in_their_order_and_each_sees_what_was_done_before(client: aiohttp.ClientSession) -> None:
    response = await _send(
        client,
        _operation("Create", name="a", sku="1"),
        _operation("BulkCreate", data=[{"name": "b", "sku": "2"}, {"name": "c", "sku": "3"}]),
        _operation("BulkUpdate", filter={"name": {"$in": ["a", "b"]}}, fields={"supplier": "s"}),
        _operation("Upsert", where={"sku": "1"}, create={"name": "x"}, update={"name": "A"}),
        _operation("BulkUpsert", data=[{"sku": "3", "name": "C"}, {"sku": "4", "name": "d"}], conflict_on=["sku"]),
        _operation("Update", id=2, name="B"),
        _operation("BulkDelete", filter={"sku": "4"}),
        _operation("Delete", id=3),
    )
    assert response.status == 200, await response.text()
    results = (await response.json())["results"]
    rows = (await (await client.get("/v1/product")).json())["items"]
    assert [(row["id"], row["name"], row["supplier"]) for row in rows] == [(1, "A", "s"), (2, "B", "s")]
    last_id = results[4]["ids"][1]
    assert results[1:3] == [{"created": 2, "ids": [2, 3]}, {"updated": 2, "ids": [1, 2]}]
    assert results[3] == {"created": False, "record": rows[0]}
    assert results[4:] == [
        {"created": 1, "updated": 1, "ids": [3, last_id]},
        rows[1],
        {"deleted": 1, "ids": [last_id]},
        {"deleted": True, "id": 3},
    ]


async def test_rows_have_the_bytes_of_their_own_endpoint(client: aiohttp.ClientSession) -> None:
    response = await _send(client, _operation("Create", name="a", attributes={"price": 0.12345678901234567}))
    assert await response.read() == b'{"results":[%b]}' % await (await client.get("/v1/product/1")).read()


async def test_the_feed_has_the_changes_of_a_transaction_together(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _send(client, _operation("Create", name="a"), _operation("Update", id=1, name="b"))
    await shown(database)
    items = (await (await client.get("/v1/changes")).json())["items"]
    assert [(item["op"], item["id"]) for item in items] == [("create", 1), ("update", 1)]
    assert len({item["event"].partition("-")[0] for item in items}) == 1


def _refused(number: int, slug: str, title: str, status: int, detail: str) -> dict[str, object]:
    pointer = f"/body/operations/{number}"
    return {
        "type": f"urn:nexus:problem:{slug}",
        "title": title,
        "status": status,
        "detail": f"{pointer}: {detail}",
        "errors": [{"pointer": pointer, "detail": detail}],
    }


TAKEN = "Another product has the same sku, 1. Send another value, or change the row that has it."
REFUSED = [
    pytest.param(
        _operation("Create", name="b", sku="1"),
        {**_refused(2, "not-unique", "The value is taken", 409, TAKEN), "fields": ["sku"]},
        id="taken value",
    ),
    pytest.param(
        _operation("Update", id=77, name="b"),
        _refused(2, "no-such-row", "There is no such row", 404, "There is no product with the id 77."),
        id="missing row",
    ),
    pytest.param(
        _operation("BulkUpdate", data=[{"id": 1, "name": "b"}, {"id": 77, "name": "b"}]),
        _refused(2, "no-such-row", "There is no such row", 404, "There is no product with the id 77."),
        id="missing row of many",
    ),
    pytest.param(
        _operation("Create", nmae="b"),
        invalid(("/body/operations/2/parameters/nmae", "is no parameter of ProductCreateNode; they are {parameters}")),
        id="unknown parameter",
    ),
    pytest.param(
        _operation("BulkCreate", data=[{"name": "b"}, {"name": ""}]),
        invalid(("/body/operations/2/parameters/data/1/name", "String should have at least 1 character")),
        id="invalid row",
    ),
    pytest.param(
        _operation("BulkDelete", filter={"colour": "red"}),
        invalid(("/body/operations/2/parameters/filter/colour", "is no field of Product; its fields are {fields}")),
        id="invalid filter",
    ),
]


@pytest.mark.parametrize(("operation", "expected"), REFUSED)
async def test_an_operation_that_is_refused_is_named_and_undoes_those_before(
    client: aiohttp.ClientSession,
    database: asyncpg.Connection,
    operation: dict[str, object],
    expected: dict[str, Any],
) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "1"})
    response = await _send(client, _operation("Create", name="x"), _operation("Delete", id=2), operation)
    found: Any = await problem(response)
    names = ("type", "title", "status", "fields", "limit")
    assert {name: found.get(name) for name in names} == {name: expected.get(name) for name in names}
    (fault,), (wanted,) = found["errors"], expected["errors"]
    assert fault["pointer"] == wanted["pointer"]
    assert fault["detail"].startswith(wanted["detail"].partition("{")[0])
    assert found["detail"] == f"{fault['pointer']}: {fault['detail']}"
    assert await database.fetchval("SELECT array_agg(name) FROM products") == ["a"]
    assert await database.fetchval("SELECT count(*) FROM changes") == 1


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ([], [("/body", 'should be an object with "operations" and nothing else')]),
        ({}, [("/body", 'should be an object with "operations" and nothing else')]),
        ({"operations": [], "more": 1}, [("/body", 'should be an object with "operations" and nothing else')]),
        ({"operations": []}, [("/body/operations", "should be an array of 1 to 100 operations")]),
        ({"operations": {}}, [("/body/operations", "should be an array of 1 to 100 operations")]),
        (
            {"operations": [_operation("Create", name="x")] * 101},
            [("/body/operations", "should be an array of 1 to 100 operations")],
        ),
        (
            {"operations": [_operation("Create", name="x"), 5, {"node": 1, "parameters": []}, {"node": "x"}]},
            [
                ("/body/operations/1", 'should be an object with "node" and "parameters" and nothing else'),
                ("/body/operations/2/node", "should be a string"),
                ("/body/operations/2/parameters", "should be an object"),
                ("/body/operations/3", 'should be an object with "node" and "parameters" and nothing else'),
            ],
        ),
        (
            {"operations": [_operation("Create", name="x"), _operation("Explode")]},
            [("/body/operations/1/node", "is no node; GET /v1/nodes lists them")],
        ),
        *(
            (
                {"operations": [_operation(operation, id=1)]},
                [("/body/operations/0/node", "reads rows; a transaction has nodes that change rows")],
            )
            for operation in ("Read", "List", "Count")
        ),
    ],
)
async def test_what_is_no_list_of_operations_is_refused(
    client: aiohttp.ClientSession, database: asyncpg.Connection, body: object, faults: list[tuple[str, str]]
) -> None:
    response = await client.post("/v1/transactions", json=body)
    assert (response.status, await problem(response)) == (422, invalid(*faults))
    assert await _rows(database) == 0


async def test_a_hundred_operations_are_one_transaction(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    response = await _send(client, *[_operation("Create", name=f"n{number}") for number in range(100)])
    assert [row["name"] for row in (await response.json())["results"]] == [f"n{number}" for number in range(100)]
    assert await database.fetchval("SELECT count(DISTINCT xid) FROM changes") == 1


async def test_the_operations_change_a_thousand_rows_together(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    many = _operation("BulkCreate", data=[{"name": "x"}] * 500)
    assert (await _send(client, many, many)).status == 200
    response = await _send(client, many, many, _operation("Create", name="one too many"))
    assert (response.status, await problem(response)) == (
        413,
        {
            "type": "urn:nexus:problem:too-many-rows",
            "title": "There are too many rows in one request",
            "status": 413,
            "detail": "The operations change more than 1000 rows together. Nothing was done. Send them in several transactions.",
            "limit": 1000,
        },
    )
    assert await _rows(database) == 1000


async def test_the_results_have_a_mebibyte_together(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    rows = [{"name": "x", "description": "d" * 60_000}] * 10
    for _ in range(2):
        assert (await client.post("/v1/product/bulk", json=rows)).status == 201
    response = await _send(client, *[_operation("Update", id=number, name="y") for number in range(1, 21)])
    assert (response.status, await problem(response)) == (
        422,
        {
            "type": "urn:nexus:problem:answer-too-large",
            "title": "The answer would be too large",
            "status": 422,
            "detail": "The answer would have more than 1048576 bytes. Nothing was done. Send the request in parts.",
            "limit": 1048576,
        },
    )
    assert await database.fetchval("SELECT count(*) FROM products WHERE name = 'y'") == 0


async def test_a_transaction_needs_the_scope_of_its_nodes(service: str, issuer: Issuer) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('dataflow-service', {'data:read'})}"}
    async with aiohttp.ClientSession(service, headers=headers) as reader:
        response = await _send(reader, _operation("Create", name="a"))
        assert (response.status, (await problem(response))["missing_scopes"]) == (403, ["data:write"])
    async with aiohttp.ClientSession(service) as nobody:
        assert (await _send(nobody, _operation("Create", name="a"))).status == 401


async def test_a_body_has_up_to_four_mebibytes(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/transactions", data=io.BytesIO(b" " * (4194304 + 1)), headers=JSON)
    assert (response.status, (await problem(response))["limit"]) == (413, 4194304)
