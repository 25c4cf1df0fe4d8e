"""Rows belong to tenants: whatever a token of one asks for, rows of another are not in it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from channel import published, shown
from conftest import MakeSettings
from parts import until

from dataflow_service.app import create_app
from nexus_testkit import Issuer, serving

SECRET = "of acme alone"
SKU = "acme-1"
WHERE = json.dumps({"sku": SKU})


async def _client(service: str, issuer: Issuer, tenant: str | None, *scopes: str) -> aiohttp.ClientSession:
    claims = {} if tenant is None else {"tenant": tenant}
    token = issuer.mint("dataflow-service", scopes or ("data:read", "data:write"), **claims)
    return aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
async def acme(service: str, issuer: Issuer) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of the tenant acme, which has one product, with the id 1."""
    async with await _client(service, issuer, "acme") as client:
        assert (await client.post("/v1/product", json={"name": SECRET, "sku": SKU})).status == 201
        yield client


@pytest.fixture
async def other(service: str, issuer: Issuer) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of another tenant, which has no product."""
    async with await _client(service, issuer, "globex") as client:
        yield client


@pytest.fixture
async def acmes_rows(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The test's own look at the rows of acme."""
    connection = await asyncpg.connect(postgres_url, server_settings={"app.tenant": "acme"})
    yield connection
    await connection.close()


@dataclass(frozen=True)
class Attempt:
    """A request about the row of another tenant, and how it is answered."""

    method: str
    path: str
    body: Any
    status: int
    answer: Any = None


NONE = {"items": [], "next": None}
NO_ROW = "no-such-row"
FILTER = {"filter": {"sku": SKU}}
READS = [
    Attempt("GET", "/v1/product/1", None, 404, NO_ROW),
    Attempt("GET", "/v1/product", None, 200, NONE),
    Attempt("GET", f"/v1/product?filter={WHERE}", None, 200, NONE),
    Attempt("GET", "/v1/product?after=0", None, 200, NONE),
    Attempt("GET", "/v1/product/count", None, 200, {"count": 0}),
    Attempt("POST", "/v1/product/query", FILTER, 200, NONE),
    Attempt(
        "POST",
        "/v1/product/query",
        {"aggregates": {"count": "*"}},
        200,
        {"items": [{"group": {}, "count": {"*": 0}}], "next": None},
    ),
    Attempt("POST", "/v1/nodes/ProductReadNode/execute", {"parameters": {"id": 1}}, 404, NO_ROW),
    Attempt("POST", "/v1/nodes/ProductListNode/execute", {"parameters": FILTER}, 200, None),
    Attempt("POST", "/v1/nodes/ProductCountNode/execute", {"parameters": FILTER}, 200, {"count": 0}),
]
"""Requests of others that read, with their answers."""
WRITES = [
    Attempt("PATCH", "/v1/product/1", {"name": "taken"}, 404),
    Attempt("PUT", "/v1/product/1", {"name": "taken"}, 404),
    Attempt("DELETE", "/v1/product/1", None, 404),
    Attempt("POST", "/v1/product", {"name": "own", "sku": SKU}, 201),
    Attempt("POST", "/v1/product/bulk?operation=update", [{"id": 1, "name": "taken"}], 404),
    Attempt("POST", "/v1/product/bulk?operation=delete", [{"id": 1}], 404),
    Attempt("POST", "/v1/product/bulk?operation=upsert&on=sku", [{"name": "own", "sku": SKU}], 200),
    Attempt("POST", "/v1/nodes/ProductUpdateNode/execute", {"parameters": {"id": 1, "name": "taken"}}, 404),
    Attempt("POST", "/v1/nodes/ProductDeleteNode/execute", {"parameters": {"id": 1}}, 404),
    Attempt(
        "POST",
        "/v1/nodes/ProductUpsertNode/execute",
        {"parameters": {"where": {"sku": SKU}, "create": {"name": "own"}, "update": {"name": "taken"}}},
        200,
    ),
    Attempt(
        "POST",
        "/v1/nodes/ProductBulkUpdateNode/execute",
        {"parameters": {"filter": {"sku": SKU}, "fields": {"name": "taken"}}},
        200,
    ),
    Attempt("POST", "/v1/nodes/ProductBulkDeleteNode/execute", {"parameters": {"filter": {"sku": SKU}}}, 200),
    Attempt(
        "POST",
        "/v1/nodes/ProductBulkUpsertNode/execute",
        {"parameters": {"data": [{"name": "own", "sku": SKU}], "conflict_on": ["sku"]}},
        200,
    ),
    Attempt(
        "POST",
        "/v1/transactions",
        {"operations": [{"node": "ProductUpdateNode", "parameters": {"id": 1, "name": "taken"}}]},
        404,
    ),
]
"""Requests of others that write, with their statuses."""


@pytest.mark.parametrize("attempt", READS)
@pytest.mark.usefixtures("acme")
async def test_no_row_of_another_tenant_is_read(other: aiohttp.ClientSession, attempt: Attempt) -> None:
    response = await other.request(attempt.method, attempt.path, json=attempt.body)
    answer = await response.json()
    assert response.status == attempt.status, answer
    assert SECRET not in await response.text()
    if attempt.answer == NO_ROW:
        assert answer["type"].endswith(NO_ROW)
    elif attempt.answer is not None:
        assert answer == attempt.answer


@pytest.mark.parametrize("attempt", WRITES)
@pytest.mark.usefixtures("acme")
async def test_no_row_of_another_tenant_is_written(
    other: aiohttp.ClientSession, acmes_rows: asyncpg.Connection, attempt: Attempt
) -> None:
    before = await acmes_rows.fetch("SELECT * FROM products")
    response = await other.request(attempt.method, attempt.path, json=attempt.body)
    assert response.status == attempt.status, await response.text()
    assert SECRET not in await response.text()
    assert await acmes_rows.fetch("SELECT * FROM products") == before


@pytest.mark.parametrize("kind", ["ndjson", "csv"])
@pytest.mark.usefixtures("acme")
async def test_an_export_has_no_row_of_another_tenant(other: aiohttp.ClientSession, kind: str) -> None:
    response = await other.get("/v1/product/export", params={"format": kind})
    assert (response.status, SECRET in await response.text()) == (200, False)


@pytest.mark.usefixtures("acme")
async def test_a_stream_changes_no_row_of_another_tenant(
    other: aiohttp.ClientSession, acmes_rows: asyncpg.Connection
) -> None:
    response = await other.post(
        "/v1/product/bulk?operation=update",
        data=b'{"id": 1, "name": "taken"}\n',
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert response.status == 404
    assert await acmes_rows.fetchval("SELECT name FROM products") == SECRET


@pytest.mark.usefixtures("acme")
async def test_the_page_of_rows_has_none_of_another_tenant(other: aiohttp.ClientSession) -> None:
    response = await other.get("/pages/models/Product/rows")
    assert (response.status, SECRET in await response.text()) == (200, False)


@pytest.mark.usefixtures("acme")
async def test_feed_and_channel_have_the_changes_of_their_tenant_alone(
    other: aiohttp.ClientSession, acme: aiohttp.ClientSession, database: asyncpg.Connection, redis_url: str
) -> None:
    await other.post("/v1/product", json={"name": "own", "sku": SKU})
    await shown(database)
    feeds = [await (await client.get("/v1/changes")).json() for client in (acme, other)]
    assert [[item["row"]["name"] for item in feed["items"]] for feed in feeds] == [[SECRET], ["own"]]
    assert [event["id"] for event in await published(redis_url, 1, "acme")] == [1]
    assert [event["id"] for event in await published(redis_url, 1, "globex")] == [2]


async def test_many_changes_of_others_are_passed_over_and_none_is_missed(
    acme: aiohttp.ClientSession,
    other: aiohttp.ClientSession,
    database: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dataflow_service.changes.repository.LOOKED_AT", 10)
    await other.post("/v1/product/bulk", json=[{"name": "x"}] * 35)
    await acme.post("/v1/product", json={"name": "last"})
    await shown(database)
    first = await (await acme.get("/v1/changes")).json()
    second = await (await acme.get("/v1/changes", params={"after": first["next"]})).json()
    assert [item["row"]["name"] for page in (first, second) for item in page["items"]] == [SECRET, "last"]


async def test_a_key_of_one_tenant_says_nothing_about_values_of_another(
    acme: aiohttp.ClientSession, other: aiohttp.ClientSession
) -> None:
    rows = [
        await (await client.post("/v1/product", json={"name": "n", "sku": "same"})).json() for client in (acme, other)
    ]
    assert [row["sku"] for row in rows] == ["same", "same"]
    taken = await other.post("/v1/product", json={"name": "n", "sku": "same"})
    assert taken.status == 409


@pytest.mark.usefixtures("acme")
async def test_a_token_without_a_tenant_is_of_the_default_one(service: str, issuer: Issuer) -> None:
    async with await _client(service, issuer, None) as nobody, await _client(service, issuer, "default") as default:
        await nobody.post("/v1/product", json={"name": "of all the others"})
        names = [
            [row["name"] for row in (await (await client.get("/v1/product")).json())["items"]]
            for client in (nobody, default)
        ]
    assert names == [["of all the others"], ["of all the others"]]


async def test_connections_that_tenants_share_keep_them_apart(service: str, issuer: Issuer) -> None:
    clients = [await _client(service, issuer, f"tenant-{number}") for number in range(8)]

    async def use(number: int) -> set[str]:
        found = set()
        for _ in range(15):
            await clients[number].post("/v1/product", json={"name": f"tenant-{number}"})
            page = await (await clients[number].get("/v1/product?limit=1000")).json()
            found |= {row["name"] for row in page["items"]}
        return found

    seen = await asyncio.gather(*(use(number) for number in range(8)))
    for client in clients:
        await client.close()
    assert seen == [{f"tenant-{number}"} for number in range(8)]


async def test_without_a_tenant_there_are_no_rows_and_none_can_be_written(
    acme: aiohttp.ClientSession, postgres_url: str
) -> None:
    assert (await acme.get("/v1/product/1")).status == 200
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetch("SELECT * FROM products") == []
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("INSERT INTO products (name) VALUES ('n')")
    await connection.execute("SET app.tenant = ''")
    with pytest.raises(asyncpg.PostgresError):
        await connection.execute("INSERT INTO products (name) VALUES ('n')")
    await connection.close()


async def test_a_table_that_keeps_no_tenants_apart_is_not_served(
    make_settings: MakeSettings, service: str, issuer: Issuer, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE products NO FORCE ROW LEVEL SECURITY")
    async with serving(create_app(make_settings())) as url, await _client(url, issuer, "acme") as client:
        answers = [
            await problem(await client.get("/v1/product")),
            await problem(await client.post("/v1/nodes/ProductCountNode/execute", json={"parameters": {}})),
        ]
        assert [(answer["status"], answer["type"].rpartition(":")[2]) for answer in answers] == [
            (503, "tenants-mixed")
        ] * 2
        await database.execute("ALTER TABLE products FORCE ROW LEVEL SECURITY")
        await until(lambda: _status(client), 200)
    assert service


async def _status(client: aiohttp.ClientSession) -> int:
    return (await client.get("/v1/product")).status
