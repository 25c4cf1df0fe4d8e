import io

import aiohttp
import asyncpg
import pytest
from yarl import URL

from nexus_testkit import Issuer

NEW = {"name": "Hexagon bolt M8 x 40", "sku": "B-840", "supplier": "Norm & Co", "attributes": {"thread": "M8"}}
ABSENT = {"description": None, "unspsc_code": None, "etim_class": None}
WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"


async def _problem(response: aiohttp.ClientResponse) -> dict[str, object]:
    assert response.content_type == "application/problem+json"
    return dict(await response.json(content_type=None))


def _invalid(*faults: tuple[str, str]) -> dict[str, object]:
    return {
        "type": "urn:nexus:problem:invalid-request",
        "title": "The request is not valid",
        "status": 422,
        "detail": "; ".join(f"{pointer}: {text}" for pointer, text in faults),
        "errors": [{"pointer": pointer, "detail": text} for pointer, text in faults],
    }


async def test_a_row_is_created_read_changed_replaced_and_deleted(client: aiohttp.ClientSession) -> None:
    created = await client.post("/v1/product", json=NEW)
    row = await created.json()
    assert (created.status, created.headers["Location"]) == (201, "product/1")
    assert row == {"id": 1, **NEW, **ABSENT, "created_at": row["created_at"], "updated_at": row["updated_at"]}
    assert await (await client.get(created.url.join(URL("product/1")))).json() == row

    changed = await (await client.patch("/v1/product/1", json={"unspsc_code": "31161620", "supplier": None})).json()
    assert changed == {**row, "unspsc_code": "31161620", "supplier": None, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > row["updated_at"]

    replaced = await (await client.put("/v1/product/1", json={"name": "Nut"})).json()
    bare: dict[str, object] = {**ABSENT, "name": "Nut", "sku": None, "supplier": None, "attributes": {}}
    assert replaced == {**row, **bare, "updated_at": replaced["updated_at"]}

    deleted = await client.delete("/v1/product/1")
    assert (deleted.status, await deleted.read()) == (204, b"")
    assert (await client.get("/v1/product/1")).status == 404


@pytest.mark.parametrize(
    "text",
    [
        "Select from our catalogue",
        "Robert'); DROP TABLE products;--",
        "  spaces around\tand\r\nlines  ",
        "Größe 12 µm, 電球, 🔩, e\u0301",
        'quotes " \' ` \\ and {"json": true}',
        "%s $1 :name {name}",
    ],
)
async def test_text_comes_back_as_it_was_sent(
    client: aiohttp.ClientSession, database: asyncpg.Connection, text: str
) -> None:
    sent = {"name": text, "description": text, "attributes": {text: [text, {"nested": text}]}}
    single = await (await client.post("/v1/product", json=sent)).json()
    bulk = await (await client.post("/v1/product/bulk", json=[sent])).json()
    second = await (await client.get(f"/v1/product/{bulk['ids'][0]}")).json()
    for row in (single, second):
        assert {name: row[name] for name in sent} == sent
    assert await database.fetchval("SELECT description FROM products WHERE id = $1", single["id"]) == text


async def test_attributes_keep_every_json_value(client: aiohttp.ClientSession) -> None:
    attributes: dict[str, object] = {
        "": None,
        "big": 2**80,
        "float": 0.1,
        "flag": False,
        "list": [1, [2, []]],
        "object": {"a": {}},
    }
    row = await (await client.post("/v1/product", json={"name": "x", "attributes": attributes})).json()
    assert row["attributes"] == attributes


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        pytest.param(b"{}", [("/body/name", "is missing")], id="missing"),
        pytest.param(
            b'{"name": "x", "nmae": "y"}',
            [("/body/nmae", f"is no field of Product; its fields are {WRITTEN}")],
            id="unknown field",
        ),
        pytest.param(
            b'{"name": "x", "id": 5, "created_at": "2026-01-01T00:00:00Z"}',
            [
                ("/body/id", "is set by the service; leave it out"),
                ("/body/created_at", "is set by the service; leave it out"),
            ],
            id="kept by the service",
        ),
        pytest.param(b'{"name": 5}', [("/body/name", "Input should be a valid string")], id="number for text"),
        pytest.param(b'{"name": null}', [("/body/name", "Input should be a valid string")], id="null for text"),
        pytest.param(b'{"name": ""}', [("/body/name", "String should have at least 1 character")], id="empty"),
        pytest.param(
            b'{"name": "x", "unspsc_code": "3116"}',
            [("/body/unspsc_code", "String should match pattern '^[0-9]{8}$'")],
            id="no such code",
        ),
        pytest.param(
            b'{"name": "a\\u0000b", "attributes": {"k": ["\\u0000"]}}',
            [
                ("/body/name", "contains the character U+0000, which PostgreSQL cannot store; leave it out"),
                ("/body/attributes", "contains the character U+0000, which PostgreSQL cannot store; leave it out"),
            ],
            id="NUL",
        ),
        pytest.param(
            b'{"name": "x", "attributes": {"k": 1e999}}',
            [("/body/attributes", "is a number too large to store, or not a number")],
            id="infinity",
        ),
        pytest.param(
            b'{"name": "\\ud800"}',
            [("/body", "Invalid JSON: unexpected end of hex escape at line 1 column 17")],
            id="half a surrogate pair",
        ),
        pytest.param(b"{", [("/body", "Invalid JSON: EOF while parsing an object at line 1 column 1")], id="no JSON"),
        pytest.param(b"[]", [("/body", "Input should be an object")], id="no object"),
    ],
)
async def test_what_cannot_be_a_row_is_refused_by_field(
    client: aiohttp.ClientSession, body: bytes, faults: list[tuple[str, str]]
) -> None:
    response = await client.post("/v1/product", data=body)
    assert (response.status, await _problem(response)) == (422, _invalid(*faults))


async def test_a_change_names_at_least_one_field_and_only_known_ones(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json=NEW)
    empty = await client.patch("/v1/product/1", json={})
    assert await _problem(empty) == _invalid(("/body", f"names no field; name at least one of {WRITTEN}"))
    unknown = await client.patch("/v1/product/1", json={'name" = 1; --': "x"})
    assert await _problem(unknown) == _invalid(
        ('/body/name" = 1; --', f"is no field of Product; its fields are {WRITTEN}")
    )
    null = await client.patch("/v1/product/1", json={"name": None})
    assert await _problem(null) == _invalid(("/body/name", "Input should be a valid string"))


@pytest.mark.parametrize(
    ("row_id", "fault"),
    [
        ("abc", "Input should be a valid integer, unable to parse string as an integer"),
        (
            "9223372036854775808",
            "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807",
        ),
    ],
)
async def test_an_address_needs_an_id_of_the_right_type(client: aiohttp.ClientSession, row_id: str, fault: str) -> None:
    for response in (
        await client.get(f"/v1/product/{row_id}"),
        await client.patch(f"/v1/product/{row_id}", json={"name": "x"}),
        await client.delete(f"/v1/product/{row_id}"),
    ):
        assert await _problem(response) == _invalid(("/path/id", fault))


async def test_a_row_that_is_not_there_is_said_to_be_missing(client: aiohttp.ClientSession) -> None:
    problem = {
        "type": "urn:nexus:problem:no-such-row",
        "title": "There is no such row",
        "status": 404,
        "detail": "There is no product with the id 77.",
    }
    assert await _problem(await client.get("/v1/product/77")) == problem
    assert await _problem(await client.patch("/v1/product/77", json={"name": "x"})) == problem
    assert await _problem(await client.put("/v1/product/77", json={"name": "x"})) == problem
    assert await _problem(await client.delete("/v1/product/77")) == problem


async def test_a_model_that_is_not_there_is_said_to_be_missing(client: aiohttp.ClientSession) -> None:
    for path in ("/v1/prodcut", "/v1/prodcut/1", "/v1/prodcut/count", "/v1/models/prodcut"):
        known = "Product" if "models" in path else "product"
        assert await _problem(await client.get(path)) == {
            "type": "urn:nexus:problem:no-such-model",
            "title": "There is no such model",
            "status": 404,
            "detail": f"There is no model 'prodcut'. There are: {known}.",
        }


async def test_a_taken_sku_is_a_conflict(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.post("/v1/product", json=NEW)
    await client.post("/v1/product", json={"name": "Other", "sku": "free"})
    conflict = {
        "type": "urn:nexus:problem:not-unique",
        "title": "The value is taken",
        "status": 409,
        "detail": "Another product has the same sku: Key (sku)=(B-840) already exists. "
        "Send another value, or change the row that has it.",
        "fields": ["sku"],
    }
    assert await _problem(await client.post("/v1/product", json=NEW)) == conflict
    assert await _problem(await client.patch("/v1/product/2", json={"sku": "B-840"})) == conflict
    assert await _problem(await client.post("/v1/product/bulk", json=[{"name": "fine"}, NEW])) == conflict
    assert await database.fetchval("SELECT count(*) FROM products") == 2


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
    response = await client.post(
        "/v1/product/bulk", json=[{"name": "fine"}, {"name": ""}, {"sku": "x", "colour": "red"}]
    )
    assert await _problem(response) == _invalid(
        ("/body/1/name", "String should have at least 1 character"),
        ("/body/2/name", "is missing"),
        ("/body/2/colour", f"is no field of Product; its fields are {WRITTEN}"),
    )
    assert await database.fetchval("SELECT count(*) FROM products") == 0


async def test_bulk_names_a_hundred_faults_and_counts_the_rest(client: aiohttp.ClientSession) -> None:
    problem = await _problem(await client.post("/v1/product/bulk", json=[{}] * 150))
    expected = [(f"/body/{place}/name", "is missing") for place in range(100)]
    assert problem == _invalid(*expected, ("/body", "has 50 more faults like these"))


async def test_bulk_of_nothing_creates_nothing(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/product/bulk", json=[])
    assert (response.status, await response.json()) == (201, {"created": 0, "ids": []})


async def test_bulk_takes_a_thousand_rows_at_once(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    response = await client.post("/v1/product/bulk", json=[{"name": "x"}] * 1001)
    assert (response.status, await _problem(response)) == (
        413,
        {
            "type": "urn:nexus:problem:too-many-rows",
            "title": "There are too many rows in one request",
            "status": 413,
            "detail": "There are 1001 rows in the array; one request takes 1000. Send the array in parts.",
            "most": 1000,
        },
    )
    assert await database.fetchval("SELECT count(*) FROM products") == 0


async def test_a_body_beyond_sixteen_megabytes_is_refused(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/product", data=io.BytesIO(b" " * (16 * 1024 * 1024 + 1)))
    assert (response.status, await _problem(response)) == (
        413,
        {
            "type": "urn:nexus:problem:body-too-long",
            "title": "The body is too long",
            "status": 413,
            "detail": "The body is longer than 16777216 bytes. Send the rows in parts.",
            "most": 16777216,
        },
    )


async def _pages(client: aiohttp.ClientSession, order: str) -> list[list[int]]:
    pages, after = [], ""
    while True:
        page = await (await client.get(f"/v1/product?limit=2&order={order}{after}")).json()
        pages.append([row["id"] for row in page["items"]])
        if page["next"] is None:
            return pages
        after = f"&after={page['next']}"


async def test_pages_follow_the_ids_both_ways(client: aiohttp.ClientSession) -> None:
    assert await _pages(client, "id") == [[]]
    await client.post("/v1/product/bulk", json=[{"name": "x"}] * 5)
    assert await _pages(client, "id") == [[1, 2], [3, 4], [5]]
    assert await _pages(client, "-id") == [[5, 4], [3, 2], [1]]
    await client.delete("/v1/product/5")
    assert await _pages(client, "id") == [[1, 2], [3, 4]]
    assert await (await client.get("/v1/product/count")).json() == {"count": 4}


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        ("order=name;DROP TABLE products", ("/query/order", "Input should be 'id' or '-id'")),
        ("limit=0", ("/query/limit", "Input should be greater than or equal to 1")),
        ("limit=1001", ("/query/limit", "Input should be less than or equal to 1000")),
        ("after=x", ("/query/after", "Input should be a valid integer, unable to parse string as an integer")),
    ],
)
async def test_a_page_is_asked_for_in_known_terms(
    client: aiohttp.ClientSession, query: str, fault: tuple[str, str]
) -> None:
    assert await _problem(await client.get(f"/v1/product?{query}")) == _invalid(fault)


WRITES = [("POST", ""), ("POST", "/bulk"), ("PATCH", "/1"), ("PUT", "/1"), ("DELETE", "/1")]
READS = [("GET", ""), ("GET", "/1"), ("GET", "/count")]


@pytest.mark.parametrize(
    ("calls", "held", "missing"), [(WRITES, "data:read", "data:write"), (READS, "data:write", "data:read")]
)
async def test_reading_and_writing_have_a_scope_each(
    service: str, issuer: Issuer, calls: list[tuple[str, str]], held: str, missing: str
) -> None:
    headers = {"Authorization": f"Bearer {issuer.mint('dataflow-service', {held})}"}
    async with aiohttp.ClientSession(service, headers=headers) as client:
        for method, path in calls:
            response = await client.request(method, f"/v1/product{path}", json=NEW)
            assert (response.status, (await _problem(response))["missing_scopes"]) == (403, [missing])


@pytest.mark.parametrize("path", ["/v1/product", "/v1/product/1", "/v1/models", "/v1/models/Product", "/v1/nodes"])
async def test_nothing_is_told_without_a_token_for_this_service(service: str, issuer: Issuer, path: str) -> None:
    async with aiohttp.ClientSession(service) as client:
        assert (await client.get(path)).status == 401
        other = {"Authorization": f"Bearer {issuer.mint('nexus-gateway', {'data:read'})}"}
        assert (await client.get(path, headers=other)).status == 401
