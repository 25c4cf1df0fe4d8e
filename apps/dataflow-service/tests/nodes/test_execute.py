"""POST /v1/nodes/{Node}/execute: every node does what it says, and answers rows as the endpoints of rows do."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem
from offers import TEXTS
from readings import READING

from nexus_testkit import Issuer

type Run = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
def run(client: aiohttp.ClientSession) -> Run:
    """Runs a node of Product and returns the status and the answer."""

    async def execute(operation: str, **parameters: object) -> tuple[int, Any]:
        response = await client.post(f"/v1/nodes/Product{operation}Node/execute", json={"parameters": parameters})
        return response.status, await response.json(content_type=None)

    return execute


async def _row(client: aiohttp.ClientSession, row_id: int) -> dict[str, Any]:
    row: dict[str, Any] = await (await client.get(f"/v1/product/{row_id}")).json()
    return row


async def test_a_row_is_created_read_updated_and_deleted(client: aiohttp.ClientSession, run: Run) -> None:
    created = await run("Create", name="Bolt", sku="B-1", attributes={"thread": "M8"})
    assert created == (200, await _row(client, 1))
    assert await run("Read", id=1) == created
    assert await run("Read", record_id=1) == created
    assert await run("Read", conditions={"id": 1}) == created
    updated = await run("Update", filter={"id": 1}, fields={"name": "Nut", "supplier": "s"})
    assert updated == (200, await _row(client, 1))
    assert updated[1] == {**created[1], "name": "Nut", "supplier": "s", "updated_at": updated[1]["updated_at"]}
    assert (await run("Update", id=1, supplier=None))[1]["supplier"] is None
    assert await run("Delete", id=1) == (200, {"deleted": True, "id": 1})
    assert (await client.get("/v1/product/1")).status == 404


async def test_rows_are_listed_and_counted(client: aiohttp.ClientSession, run: Run) -> None:
    await client.post("/v1/product/bulk", json=[{"name": name, "supplier": "s"} for name in "abc"] + [{"name": "d"}])
    everything = await (await client.get("/v1/product")).json()
    assert await run("List") == (200, everything)
    assert await run("List", filter={"supplier": "s"}, limit=2) == (
        200,
        {"items": everything["items"][:2], "next": "2"},
    )
    assert await run("List", filter={"supplier": "s"}, limit=2, after="2") == (
        200,
        {"items": everything["items"][2:3], "next": None},
    )
    assert await run("List", filter={"supplier": None}) == (200, {"items": everything["items"][3:], "next": None})
    assert await run("List", filter={"id": {"$in": [4, 2, 9]}}, order_by=["-id"]) == (
        200,
        {"items": [everything["items"][3], everything["items"][1]], "next": None},
    )
    assert await run("Count") == (200, {"count": 4})
    assert await run("Count", filter={"supplier": "s", "name": "b"}) == (200, {"count": 1})


async def test_a_list_has_the_filters_fields_and_orders_of_queries(client: aiohttp.ClientSession, run: Run) -> None:
    rows = [
        {"name": name, "attributes": {"thread": thread}} for name, thread in zip("bacd", (8, 8, 8, 10), strict=True)
    ]
    await client.post("/v1/product/bulk", json=rows)
    query = {"filter": {"attributes.thread": 8}, "fields": ["name", "id"], "limit": 2}
    sent = {**query, "order": ["-name"]}
    first = await (await client.post("/v1/product/query", json=sent)).json()
    assert first["items"] == [{"id": 3, "name": "c"}, {"id": 1, "name": "b"}]
    assert await run("List", **query, order_by=["-name"]) == (200, first)
    assert await run("List", **query, order_by=["-name"], after=first["next"]) == (
        200,
        {"items": [{"id": 2, "name": "a"}], "next": None},
    )
    assert await run("Count", filter={"$or": [{"name": {"$like": "a%"}}, {"id": {"$gt": 3}}]}) == (200, {"count": 2})


async def test_the_rows_of_a_filter_are_changed_and_no_others(
    run: Run,
    database: asyncpg.Connection,
) -> None:
    await run("BulkCreate", data=[{"name": name, "attributes": {"n": number}} for number, name in enumerate("abcde")])
    either = {"$or": [{"attributes.n": 0}, {"name": {"$gte": "c", "$ne": "d"}}]}
    assert await run("BulkUpdate", filter=either, fields={"sku": None, "supplier": "s"}) == (
        200,
        {"updated": 3, "ids": [1, 3, 5]},
    )
    stored = await database.fetch("SELECT name, supplier FROM products ORDER BY id")
    assert stored == [("a", "s"), ("b", None), ("c", "s"), ("d", None), ("e", "s")]
    assert await run("BulkDelete", filter={"$not": {"supplier": "s"}}) == (200, {"deleted": 2, "ids": [2, 4]})
    assert await database.fetchval("SELECT array_agg(name ORDER BY id) FROM products") == ["a", "c", "e"]


async def test_many_rows_are_created_updated_and_deleted(client: aiohttp.ClientSession, run: Run) -> None:
    assert await run("BulkCreate", data=[{"name": "a"}, {"name": "b"}, {"name": "c"}]) == (
        200,
        {"created": 3, "ids": [1, 2, 3]},
    )
    assert await run("BulkUpdate", filter={"id": {"$in": [1, 3]}}, fields={"supplier": "s"}) == (
        200,
        {"updated": 2, "ids": [1, 3]},
    )
    each = [{"id": 3, "name": "C"}, {"id": 1, "supplier": "t"}, {"id": 2, "name": "B"}]
    assert await run("BulkUpdate", data=each) == (200, {"updated": 3, "ids": [3, 1, 2]})
    rows = (await run("List"))[1]["items"]
    assert [(row["name"], row["supplier"]) for row in rows] == [("a", "t"), ("B", None), ("C", "s")]
    assert await run("BulkDelete", filter={"supplier": None}) == (200, {"deleted": 1, "ids": [2]})
    assert await run("BulkDelete", filter={"id": {"$in": []}}) == (200, {"deleted": 0, "ids": []})
    assert await run("Count") == (200, {"count": 2})
    assert (await client.get("/v1/product/2")).status == 404


async def test_upsert_creates_a_row_or_changes_the_one_with_the_unique_fields(
    client: aiohttp.ClientSession, run: Run
) -> None:
    sent = {"where": {"sku": "B-1"}, "create": {"name": "new", "supplier": "s"}, "update": {"name": "known"}}
    assert await run("Upsert", **sent) == (200, {"created": True, "record": await _row(client, 1)})
    first = await _row(client, 1)
    assert (first["name"], first["supplier"]) == ("new", "s")
    assert await run("Upsert", **sent) == (200, {"created": False, "record": await _row(client, 1)})
    second = await _row(client, 1)
    assert second == {**first, "name": "known", "updated_at": second["updated_at"]}
    assert await run("Upsert", **{**sent, "update": {}}) == (200, {"created": False, "record": second})


async def test_bulk_upsert_sets_the_fields_that_are_sent_and_leaves_the_others(
    client: aiohttp.ClientSession, run: Run
) -> None:
    await client.post("/v1/product", json={"name": "old", "sku": "2", "supplier": "kept"})
    rows = [{"sku": str(number), "name": f"n{number}"} for number in (1, 2, 3)]
    created, updated = {"created": 2, "updated": 1}, {"created": 0, "updated": 3}
    status, answer = await run("BulkUpsert", data=rows, conflict_on=["sku"])
    found = (await run("List"))[1]["items"]
    by_sku = {row["sku"]: row for row in found}
    assert (status, answer) == (200, {**created, "ids": [by_sku[row["sku"]]["id"] for row in rows]})
    assert [(row["name"], row["supplier"]) for row in found] == [("n2", "kept"), ("n1", None), ("n3", None)]
    assert await run("BulkUpsert", data=rows, conflict_on=["sku"]) == (200, {**updated, "ids": answer["ids"]})


PARAMETERS = "/body/parameters"
NO_ID = "should have the id of one row, as id or as filter"
WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"
EVERY_FIELD = f"id, {WRITTEN}, created_at, updated_at"


@pytest.mark.parametrize(
    ("operation", "parameters", "fault"),
    [
        ("Create", {"name": "x", "nmae": "y"}, ("nmae", f"is no parameter of ProductCreateNode; they are {WRITTEN}")),
        ("Create", {"name": 5}, ("name", "Input should be a valid string")),
        ("Create", {"name": "x", "id": 5}, ("id", f"is no parameter of ProductCreateNode; they are {WRITTEN}")),
        (
            "Count",
            {"database_url": "postgresql://elsewhere"},
            ("database_url", "is no parameter of ProductCountNode; they are filter, search"),
        ),
        ("Read", {}, ("", NO_ID)),
        ("Read", {"id": "1"}, ("id", "should be an integer, the id of a row")),
        ("Read", {"id": True}, ("id", "should be an integer, the id of a row")),
        ("Read", {"id": 2**63}, ("id", "is outside the range of a 64 bit integer, " + f"{-(2**63)} to {2**63 - 1}")),
        ("Read", {"id": 1, "record_id": 2}, ("record_id", "is another name of id; send one of them")),
        ("Update", {"id": 1}, ("", f"names no field; name at least one of {WRITTEN}")),
        (
            "Update",
            {"id": 1, "fields": {"name": "x"}, "sku": "y"},
            ("sku", "is sent beside fields; put it into fields"),
        ),
        (
            "Update",
            {"filter": {"name": "x"}, "fields": {"name": "y"}},
            ("filter", 'should be an object with the id of one row, such as {"id": 1}'),
        ),
        ("List", {"limit": 1001}, ("limit", "should be a whole number from 1 to 1000")),
        (
            "List",
            {"order_by": ["-attributes"]},
            ("order_by", "has 'attributes', a JSON field, which has no order; leave it out"),
        ),
        (
            "List",
            {"order_by": [{"name": 1}]},
            ("order_by", "should be an array with names of fields, or a string with commas between them"),
        ),
        (
            "List",
            {"fields": ["colour"]},
            ("fields", f"has 'colour', which is no field of Product; its fields are {EVERY_FIELD}"),
        ),
        ("List", {"after": 5}, ("after", "should be the `next` of a page, a string")),
        (
            "List",
            {"filter": {"colour": "red"}},
            ("filter/colour", f"is no field of Product; its fields are {EVERY_FIELD}"),
        ),
        (
            "Count",
            {"filter": {"name": {"$regex": "x"}}},
            (
                "filter/name/$regex",
                "is no operator of a field; they are $eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $like, $ilike, $null",
            ),
        ),
        ("BulkUpdate", {"fields": {"name": "x"}}, ("filter", "should have a condition; without one it is every row")),
        (
            "BulkDelete",
            {"filter": {"colour": "red"}},
            ("filter/colour", f"is no field of Product; its fields are {EVERY_FIELD}"),
        ),
        (
            "BulkDelete",
            {"filter": {"$not": {"$or": [{}]}}},
            ("filter", "should have a condition; without one it is every row"),
        ),
        ("BulkDelete", {"filter": {"$and": [{}]}}, ("filter", "should have a condition; without one it is every row")),
        ("BulkDelete", {}, ("filter", "should have a condition; without one it is every row")),
        (
            "BulkUpdate",
            {"data": [{"id": 1, "name": "x"}], "filter": {"id": 1}},
            ("", "should have either data, or filter and fields"),
        ),
        (
            "BulkUpdate",
            {"data": [{"id": 1, "name": "x"}, {"id": 1, "name": "y"}]},
            ("data/1", "has the same id as row 0"),
        ),
        (
            "BulkCreate",
            {"data": [{"name": "x"}, {"name": ""}]},
            ("data/1/name", "String should have at least 1 character"),
        ),
        ("BulkCreate", {}, ("data", "should be an array of objects")),
        (
            "Upsert",
            {"where": {"name": "x"}},
            ("where", "should be the fields of a unique index of Product: sku"),
        ),
        (
            "Upsert",
            {"where": {"sku": None}, "create": {"name": "x"}},
            ("sku", "should have a value: it identifies the row"),
        ),
        (
            "BulkUpsert",
            {"data": [{"name": "x", "sku": "1"}]},
            ("conflict_on", "should be the fields of a unique index of Product: sku"),
        ),
        (
            "BulkUpsert",
            {"data": [{"name": "x", "sku": "1"}, {"name": "y", "sku": "1"}], "conflict_on": ["sku"]},
            ("data/1", "has the same sku as row 0"),
        ),
        (
            "BulkUpsert",
            {"data": [{"name": "x", "sku": "1"}, {"name": "y", "sku": "2", "supplier": "s"}], "conflict_on": ["sku"]},
            ("data/1", "names other fields than the first row; send rows with the same fields together"),
        ),
    ],
)
async def test_parameters_that_a_node_cannot_use_are_refused_by_name(
    run: Run,
    database: asyncpg.Connection,
    operation: str,
    parameters: dict[str, object],
    fault: tuple[str, str],
) -> None:
    await run("Create", name="there")
    pointer = "/".join(part for part in (PARAMETERS, fault[0]) if part)
    assert await run(operation, **parameters) == (422, invalid((pointer, fault[1])))
    assert await database.fetchval("SELECT array_agg(name) FROM products") == ["there"]


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"parameters": {}, "database_url": "x"}'])
async def test_a_body_has_parameters_and_nothing_else(client: aiohttp.ClientSession, body: bytes) -> None:
    response = await client.post("/v1/nodes/ProductCountNode/execute", data=body, headers=JSON)
    text = 'should be an object with "parameters" and nothing else'
    assert (response.status, await problem(response)) == (422, invalid(("/body", text)))


async def test_many_rows_are_changed_all_or_none(
    client: aiohttp.ClientSession, run: Run, database: asyncpg.Connection
) -> None:
    await client.post("/v1/product/bulk", json=[{"name": "x", "sku": str(number)} for number in range(3)])
    missing = await run("BulkUpdate", data=[{"id": 1, "name": "y"}, {"id": 9, "supplier": "s"}])
    assert (missing[0], missing[1]["detail"]) == (404, "There is no product with the id 9.")
    taken = await run("BulkUpdate", data=[{"id": 1, "name": "y"}, {"id": 2, "sku": "0"}])
    assert (taken[0], taken[1]["type"]) == (409, "urn:nexus:problem:not-unique")
    same = await run("BulkUpdate", filter={"name": "x"}, fields={"sku": "9"})
    assert (same[0], same[1]["type"]) == (409, "urn:nexus:problem:not-unique")
    assert await database.fetch("SELECT name, sku FROM products ORDER BY id") == [("x", "0"), ("x", "1"), ("x", "2")]


async def test_a_filter_that_selects_too_many_rows_changes_none(run: Run, database: asyncpg.Connection) -> None:
    await database.execute("INSERT INTO products (name) SELECT 'x' FROM generate_series(1, 1001)")
    detail = "The filter selects more than 1000 rows; one request changes 1000. Narrow the filter."
    expected = {
        "type": "urn:nexus:problem:too-many-matches",
        "title": "The filter selects too many rows",
        "status": 422,
        "detail": detail,
        "limit": 1000,
    }
    assert await run("BulkDelete", filter={"name": "x"}) == (422, expected)
    assert await run("BulkUpdate", filter={"name": "x"}, fields={"name": "y"}) == (422, expected)
    assert await database.fetchval("SELECT count(*) FROM products WHERE name = 'x'") == 1001


READING_NODES = {"Read", "List", "Count"}


@pytest.mark.parametrize(
    "operation",
    [
        "Create",
        "Read",
        "Update",
        "Delete",
        "List",
        "Count",
        "Upsert",
        "BulkCreate",
        "BulkUpdate",
        "BulkDelete",
        "BulkUpsert",
    ],
)
async def test_a_node_needs_the_scope_of_what_it_does(service: str, issuer: Issuer, operation: str) -> None:
    needed, other = ("data:read", "data:write") if operation in READING_NODES else ("data:write", "data:read")
    address = f"{service}/v1/nodes/Product{operation}Node/execute"
    statuses = []
    for scopes in ({other}, {needed}):
        headers = {"Authorization": f"Bearer {issuer.mint('dataflow-service', scopes)}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            response = await session.post(address, json={"parameters": {"unknown": 1}})
            statuses.append((response.status, response.headers.get("WWW-Authenticate")))
    assert statuses == [(403, f'Bearer error="insufficient_scope", scope="{needed}"'), (422, None)]
    async with aiohttp.ClientSession() as session:
        assert (await session.post(address, json={"parameters": {}})).status == 401


async def test_a_node_that_is_not_there_is_named(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/nodes/ProductDropNode/execute", json={"parameters": {}})
    found = await problem(response)
    assert (response.status, found["type"], found["title"]) == (
        404,
        "urn:nexus:problem:no-such-node",
        "There is no such node",
    )
    assert str(found["detail"]).startswith("There is no node 'ProductDropNode'. There are: AttributeCreateNode, ")


async def test_a_row_has_the_same_bytes_by_node_and_by_endpoint(readings: aiohttp.ClientSession) -> None:
    document = '{"a": [1.10, 1e3, 12345678901234567890.123456789], "b": {"c": "\\u00e9"}}'
    body = json.dumps({"parameters": READING}).replace(json.dumps(READING["document"]), document)
    created = await (await readings.post("/v1/nodes/ReadingCreateNode/execute", data=body, headers=JSON)).read()
    row_id = json.loads(created)["id"]
    row = await (await readings.get(f"/v1/reading/{row_id}")).read()
    parameters = {"parameters": {"id": row_id}}
    read = await (await readings.post("/v1/nodes/ReadingReadNode/execute", json=parameters)).read()
    listed = await (await readings.post("/v1/nodes/ReadingListNode/execute", json={"parameters": {}})).read()
    page = await (await readings.get("/v1/reading")).read()
    assert [created, read, listed] == [row, row, page]
    assert b'"exact":"12345678901234567890.0123456789"' in row
    assert b"[1.10, 1000, 12345678901234567890.123456789]" in row
    for document_filter, number in (({"$eq": {"a": [1]}}, 0), ({"$null": False}, 1)):
        by_value = {"parameters": {"filter": {**READING, "id": {"$in": [row_id]}, "document": document_filter}}}
        counted = await readings.post("/v1/nodes/ReadingCountNode/execute", json=by_value)
        assert await counted.json() == {"count": number}


EXTREMES = {
    "name": "x",
    "texts": [*TEXTS, "a" * 1000],
    "wholes": [2**63 - 1, -(2**63)],
    "reals": [-0.0, 5e-324],
    "exacts": ["12345678901234567890123456789012345678", "0." + "0" * 37 + "1"],
    "moments": ["9999-12-31T23:59:59.999999Z", "2026-10-25T02:30:00+01:00", "2026-10-25T02:30:00+02:00"],
    "days": [],
    "few": [],
    "maker": {"name": "\U0001f529", "numbers": []},
    "parts": [],
    "size": {"width": "12345678901234567890123456789012345678.10", "notes": {"list": [], "deep": [[{"a": {}}]]}},
    "moment": "0001-01-01T00:00:00Z",
    "day": "9999-12-31",
}


async def test_lists_and_members_have_the_same_bytes_by_node_and_by_endpoint(offers: aiohttp.ClientSession) -> None:
    number = '{"digits": [1e-100, 1.10, 100000000000000000000.5], "list"'
    body = json.dumps(EXTREMES).replace('{"list"', number)
    parameters = f'{{"parameters": {body}}}'.encode()
    created = await (await offers.post("/v1/nodes/OfferCreateNode/execute", data=parameters, headers=JSON)).read()
    other = await (await offers.post("/v1/offer", data=body.replace('"x"', '"y"', 1).encode(), headers=JSON)).read()
    row = await (await offers.get("/v1/offer/1")).read()
    read = await (await offers.post("/v1/nodes/OfferReadNode/execute", json={"parameters": {"id": 1}})).read()
    listed = await (await offers.post("/v1/nodes/OfferListNode/execute", json={"parameters": {}})).read()
    page = await (await offers.get("/v1/offer")).read()
    assert [created, read, listed] == [row, row, page]
    assert page == b'{"items":[%b,%b],"next":null}' % (row, other)
    same = json.loads(other)
    for name in ("id", "name", "created_at", "updated_at"):
        same[name] = json.loads(row)[name]
    assert same == json.loads(row)
    for part in (b'"days":[]', b'"moment":"0001-01-01T00:00:00Z"', b'"day":"9999-12-31"', b"100000000000000000000.5"):
        assert part in row
