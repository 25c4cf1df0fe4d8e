"""GET /v1/{model}/export: all rows, as they are at one moment."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from conftest import MakeSettings, serving_client
from streams import CSV, NDJSON, ndjson

from dataflow_service.bulk import answers

PATH = "/v1/product/export"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND wait_event_type = 'Lock'"
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND state LIKE 'idle in transaction%'"


async def _until(database: asyncpg.Connection, statement: str, number: int) -> None:
    async with asyncio.timeout(20):
        while await database.fetchval(statement) != number:  # noqa: ASYNC110 - PostgreSQL reports no event
            await asyncio.sleep(0.02)


async def _export(client: aiohttp.ClientSession, path: str, **query: str) -> bytes:
    async with client.get(path, params=query) as response:
        assert response.status == 200
        return await response.read()


async def test_the_lines_of_an_export_are_the_bytes_of_the_rows(sample_rows: aiohttp.ClientSession) -> None:
    lines = (await _export(sample_rows, "/v1/sample/export")).splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert ids == list(range(1, 61))
    assert lines == [await _export(sample_rows, f"/v1/sample/{row_id}") for row_id in ids]


async def test_an_export_has_the_filter_fields_and_order_of_a_list(sample_rows: aiohttp.ClientSession) -> None:
    query = {"filter": '{"exact": {"$null": false}}', "fields": "exact,document", "order": "-exact,-id"}
    page = await _export(sample_rows, "/v1/sample", **query)
    lines = (await _export(sample_rows, "/v1/sample/export", **query)).splitlines()
    assert b'{"items":[' + b",".join(lines) + b'],"next":null}' == page


async def test_an_export_is_longer_than_a_page(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await database.execute("INSERT INTO products (name) SELECT 'n' || n FROM generate_series(1, 2345) AS n")
    lines = (await _export(client, PATH, fields="id")).splitlines()
    assert lines == [b'{"id":%d}' % number for number in range(1, 2346)]
    head, *records = (await _export(client, PATH, fields="name", format="csv")).splitlines()
    assert (head, records) == (b'"name"', [b'"n%d"' % number for number in range(1, 2346)])


@pytest.mark.parametrize(
    ("format", "media_type", "empty"),
    [("ndjson", "application/x-ndjson", b""), ("csv", "text/csv; charset=utf-8; header=present", b'"id"\r\n')],
)
async def test_an_export_of_nothing_has_no_rows(
    client: aiohttp.ClientSession,
    format: str,  # noqa: A002 - its name in addresses
    media_type: str,
    empty: bytes,
) -> None:
    address = f"{PATH}?format={format}&fields=id"
    async with client.get(address) as response:
        assert (response.headers["Content-Type"], await response.read()) == (media_type, empty)
    async with client.head(address) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, media_type)


@pytest.mark.parametrize(("format", "headers"), [("ndjson", NDJSON), ("csv", CSV)])
async def test_what_was_exported_can_be_sent_again(
    sample_rows: aiohttp.ClientSession,
    format: str,  # noqa: A002 - its name in addresses
    headers: dict[str, str],
) -> None:
    fields = "text,flag,whole,real,exact,moment,day,key,document,always"
    content = await _export(sample_rows, "/v1/sample/export", fields=fields, format=format)
    async with sample_rows.post("/v1/sample/bulk", data=content, headers=headers) as response:
        assert (response.status, await response.json()) == (201, {"created": 60})
    query = {"fields": fields, "filter": '{"id": {"$gt": 60}}', "format": format}
    assert await _export(sample_rows, "/v1/sample/export", **query) == content


async def test_a_column_of_nulls_can_be_sent_again(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product/bulk", data=ndjson([{"name": "a", "sku": "A"}, {"name": "b"}]), headers=NDJSON)
    content = await _export(client, PATH, fields="sku", format="csv")
    assert content == b'"sku"\r\n"A"\r\n\r\n'
    update = await _export(client, PATH, fields="id,sku", format="csv")
    async with client.post("/v1/product/bulk?operation=update", data=update, headers=CSV) as response:
        assert await response.json() == {"updated": 2}


async def test_an_export_is_of_one_moment(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await database.execute(
        "INSERT INTO products (name, description) SELECT 'x', repeat('d', 60000) FROM generate_series(1, 300)"
    )
    async with client.get(PATH, params={"fields": "id,name,description"}) as response:
        first = await response.content.readline()
        await database.execute("UPDATE products SET name = 'y'; DELETE FROM products WHERE id > 250")
        lines = [first, *(await response.read()).splitlines()]
    assert [json.loads(line)["name"] for line in lines] == ["x"] * 300


async def test_a_client_that_leaves_ends_the_statement_of_its_export(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with database.transaction():
        await database.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        request = asyncio.create_task(client.get(PATH))
        await _until(database, WAITING, 1)
        request.cancel()
        await _until(database, WAITING, 0)


@pytest.fixture
async def many(client: aiohttp.ClientSession, database: asyncpg.Connection) -> aiohttp.ClientSession:
    """Client of a service with more rows than the buffers on their way to a client hold."""
    await database.execute(
        "INSERT INTO products (name, description) SELECT 'x', repeat('d', 60000) FROM generate_series(1, 1000)"
    )
    return client


async def _open_export(service: str, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    address = urlsplit(service)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=1024)
    head = f"GET {PATH} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    return reader, writer


async def test_a_client_that_leaves_in_the_middle_frees_the_connection(
    many: aiohttp.ClientSession, database: asyncpg.Connection, service: str, token: str
) -> None:
    reader, writer = await _open_export(service, token)
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    await _until(database, OPEN, 1)
    writer.transport.abort()
    await _until(database, OPEN, 0)
    assert (await many.get("/v1/product/1")).status == 200


async def test_a_client_that_takes_nothing_is_left(
    many: aiohttp.ClientSession,
    database: asyncpg.Connection,
    service: str,
    token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(answers, "PART_SECONDS", 0.3)
    reader, writer = await _open_export(service, token)
    assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
    await _until(database, OPEN, 1)
    await _until(database, OPEN, 0)
    writer.transport.abort()
    assert (await many.get("/v1/product/1")).status == 200


@pytest.fixture
async def impatient(make_settings: MakeSettings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service whose reads may take 0.3 s."""
    async with serving_client(make_settings(read_seconds=0.3), token) as session:
        yield session


async def test_an_export_whose_first_rows_take_too_long_is_a_problem(
    impatient: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with database.transaction():
        await database.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        response = await impatient.get(PATH)
    assert (response.status, (await problem(response))["type"]) == (503, "urn:nexus:problem:query-timeout")


async def test_what_cannot_be_exported_is_refused(client: aiohttp.ClientSession) -> None:
    response = await client.get(f"{PATH}?format=xml")
    assert await problem(response) == invalid(("/query/format", "Input should be 'ndjson', 'csv' or 'parquet'"))
    response = await client.get(f"{PATH}?order=attributes")
    text = "has 'attributes', a JSON field, which has no order; leave it out"
    assert await problem(response) == invalid(("/query/order", text))


async def test_exporting_needs_the_right_to_read(client: aiohttp.ClientSession, service: str) -> None:
    async with aiohttp.ClientSession() as stranger:
        assert (await stranger.get(f"{service}{PATH}")).status == 401
    response = await client.get(f"{PATH}?limit=5")
    detail = "There is no query parameter 'limit'. Known are: fields, filter, format, order, search."
    assert (response.status, (await problem(response))["detail"]) == (400, detail)


async def test_without_pyarrow_the_format_is_refused_with_what_to_install(
    client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = await problem(await client.get(PATH, params={"format": "parquet"}))
    assert (found["status"], found["type"]) == (406, "urn:nexus:problem:format-unavailable")
    assert "the extra `parquet` of dataflow-service" in str(found["detail"])
