import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem
from yarl import URL

from nexus_testkit import Issuer

NEW = {"name": "Hexagon bolt M8 x 40", "sku": "B-840", "supplier": "Norm & Co", "attributes": {"thread": "M8"}}
ABSENT = {"description": None, "unspsc_code": None, "etim_class": None}
WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"


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


async def test_the_fields_of_a_row_are_in_the_order_of_the_model(client: aiohttp.ClientSession) -> None:
    row = await (await client.post("/v1/product", json={"attributes": {"b": 1, "a": 2}, "name": "x"})).json()
    assert list(row) == ["id", *WRITTEN.split(", "), "created_at", "updated_at"]
    assert row["created_at"].endswith("Z")


@pytest.mark.parametrize(
    "text",
    [
        "Select from our catalogue",
        "Robert'); DROP TABLE products;--",
        "  spaces around\tand\r\nlines  ",
        "Größe 12 µm, 電球, 🔩, e\u0301",
        'quotes " \' ` \\ and {"json": true}',
        "%s $1 :name {name}",
        "\x01\x1f\x7f\u2028\ufeff\uffff",
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
            id="set by the service",
        ),
        pytest.param(b'{"name": 5}', [("/body/name", "Input should be a valid string")], id="number for text"),
        pytest.param(b'{"name": true}', [("/body/name", "Input should be a valid string")], id="true for text"),
        pytest.param(b'{"name": null}', [("/body/name", "Input should be a valid string")], id="null for text"),
        pytest.param(b'{"name": ""}', [("/body/name", "String should have at least 1 character")], id="empty"),
        pytest.param(
            b'{"name": "x", "attributes": [1]}',
            [("/body/attributes", "Input should be a valid dictionary")],
            id="array for object",
        ),
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
        pytest.param(b"[]", [("/body", "should be an object")], id="no object"),
        pytest.param(b"null", [("/body", "should be an object")], id="null"),
    ],
)
async def test_what_cannot_be_a_row_is_refused_by_field(
    client: aiohttp.ClientSession, body: bytes, faults: list[tuple[str, str]]
) -> None:
    response = await client.post("/v1/product", data=body, headers=JSON)
    assert (response.status, await problem(response)) == (422, invalid(*faults))


async def test_a_change_names_at_least_one_field_and_only_known_ones(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json=NEW)
    empty = await client.patch("/v1/product/1", json={})
    assert await problem(empty) == invalid(("/body", f"names no field; name at least one of {WRITTEN}"))
    unknown = await client.patch("/v1/product/1", json={'name" = 1; --': "x"})
    assert await problem(unknown) == invalid(
        ('/body/name" = 1; --', f"is no field of Product; its fields are {WRITTEN}")
    )
    null = await client.patch("/v1/product/1", json={"name": None})
    assert await problem(null) == invalid(("/body/name", "Input should be a valid string"))


async def test_a_row_that_is_not_there_is_said_to_be_missing(client: aiohttp.ClientSession) -> None:
    missing = {
        "type": "urn:nexus:problem:no-such-row",
        "title": "There is no such row",
        "status": 404,
        "detail": "There is no product with the id 77.",
    }
    assert await problem(await client.get("/v1/product/77")) == missing
    assert await problem(await client.patch("/v1/product/77", json={"name": "x"})) == missing
    assert await problem(await client.put("/v1/product/77", json={"name": "x"})) == missing
    assert await problem(await client.delete("/v1/product/77")) == missing


async def test_a_model_that_is_not_there_is_said_to_be_missing(client: aiohttp.ClientSession) -> None:
    for path in ("/v1/prodcut", "/v1/prodcut/1", "/v1/prodcut/count", "/v1/models/prodcut"):
        names = ["Attribute", "Category", "Document", "PriceItem", "PriceList", "Product", "Supplier"]
        known = ", ".join(names if "models" in path else map(str.lower, names))
        assert await problem(await client.get(path)) == {
            "type": "urn:nexus:problem:no-such-model",
            "title": "There is no such model",
            "status": 404,
            "detail": f"There is no model 'prodcut'. There are: {known}.",
        }


async def test_a_taken_value_is_a_conflict_that_quotes_only_what_the_caller_sent(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await client.post("/v1/product", json=NEW)
    await client.post("/v1/product", json={"name": "Other", "sku": "free"})

    def conflict(own: str) -> dict[str, object]:
        return {
            "type": "urn:nexus:problem:not-unique",
            "title": "The value is taken",
            "status": 409,
            "detail": f"Another product has the same sku{own}. Send another value, or change the row that has it.",
            "fields": ["sku"],
        }

    assert await problem(await client.post("/v1/product", json=NEW)) == conflict(", B-840")
    assert await problem(await client.patch("/v1/product/2", json={"sku": "B-840"})) == conflict(", B-840")
    refused = conflict("")
    row = {"pointer": "/body/1/sku", "detail": refused["detail"]}
    bulk = await problem(await client.post("/v1/product/bulk", json=[{"name": "fine"}, NEW]))
    assert bulk == {**refused, "errors": [row]}
    assert await database.fetchval("SELECT count(*) FROM products") == 2


async def test_what_only_the_database_refuses_is_named_without_its_values(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE products ADD CONSTRAINT no_secrets CHECK (supplier <> 'secret')")
    try:
        response = await client.post("/v1/product", json={"name": "x", "supplier": "secret"})
    finally:
        await database.execute("ALTER TABLE products DROP CONSTRAINT no_secrets")
    assert (response.status, await problem(response)) == (
        422,
        {
            "type": "urn:nexus:problem:not-storable",
            "title": "The database refuses the value",
            "status": 422,
            "detail": "The database refuses the row because of the constraint no_secrets. Send another value.",
        },
    )


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
            assert (response.status, (await problem(response))["missing_scopes"]) == (403, [missing])


@pytest.mark.parametrize("path", ["/v1/product", "/v1/product/1", "/v1/models", "/v1/models/Product", "/v1/nodes"])
async def test_nothing_is_answered_without_a_token_for_this_service(service: str, issuer: Issuer, path: str) -> None:
    async with aiohttp.ClientSession(service) as client:
        assert (await client.get(path)).status == 401
        other = {"Authorization": f"Bearer {issuer.mint('nexus-gateway', {'data:read'})}"}
        assert (await client.get(path, headers=other)).status == 401
