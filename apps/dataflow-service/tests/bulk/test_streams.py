"""NDJSON is written as it arrives, in one transaction."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from conftest import MakeSettings, serving_client
from parts import WRITING, until
from streams import CSV, NDJSON, in_parts, ndjson, on_lines, sku_taken

from dataflow_service.bulk import lines

PATH = "/v1/product/bulk"
WRITTEN = "name, description, sku, supplier, unspsc_code, etim_class, attributes"


async def _number(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM products"))


async def test_a_stream_creates_all_rows_in_the_order_sent(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    rows = [{"name": f"Nut {number}", "attributes": {"n": number}} for number in range(2500)]
    response = await client.post(PATH, data=in_parts(ndjson(rows), 777), headers=NDJSON)
    assert (response.status, await response.json()) == (201, {"created": 2500})
    found = await database.fetch("SELECT id, name, (attributes ->> 'n')::int AS n FROM products ORDER BY id")
    assert [tuple(row) for row in found] == [(number + 1, f"Nut {number}", number) for number in range(2500)]


async def test_a_batch_of_a_stream_is_one_change_set(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await client.post(PATH, data=ndjson([{"name": "x"}] * 2500), headers=NDJSON)
    statement = (
        "SELECT count(*) FROM change_sets JOIN changes ON set_id = change_sets.id GROUP BY set_id ORDER BY set_id"
    )
    assert [row["count"] for row in (await database.fetch(statement))[-3:]] == [1000, 1000, 500]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
async def test_the_last_line_may_have_no_end(client: aiohttp.ClientSession, end: bytes) -> None:
    response = await client.post(PATH, data=b'{"name": "a"}\r\n{"name": "b"}' + end, headers=NDJSON)
    assert await response.json() == {"created": 2}


@pytest.mark.parametrize("headers", [NDJSON, {"Content-Type": "application/x-ndjson; charset=UTF-8"}])
async def test_a_stream_of_nothing_creates_nothing(client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    response = await client.post(PATH, data=b"", headers=headers)
    assert (response.status, await response.json()) == (201, {"created": 0})


async def test_each_fault_of_a_stream_is_named_with_its_line(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    body = b'{"name":"a"}\n{"name":""}\n\n{"name":"a",}\n[]\n{"name":"\xff"}\n{"name":"a","name":"b"}\n{"colour":1}\n'
    response = await client.post(PATH, data=body, headers=NDJSON)
    assert await problem(response) == on_lines(
        ("/body/1/name", "String should have at least 1 character", 2),
        ("/body/2", "cannot be read as JSON: it is empty", 3),
        ("/body/3", "cannot be read as JSON: Illegal trailing comma before end of object at character 12", 4),
        ("/body/4", "should be an object", 5),
        ("/body/5", "cannot be read as JSON: it is not UTF-8: byte 9 is 0xff", 6),
        ("/body/6", "cannot be read as JSON: the name 'name' is given twice in one object", 7),
        ("/body/7/colour", f"is no field of Product; its fields are {WRITTEN}", 8),
    )
    assert await _number(database) == 0


async def test_ten_faults_of_a_stream_are_named(client: aiohttp.ClientSession) -> None:
    response = await client.post(PATH, data=b"{}\n" * 50, headers=NDJSON)
    faults = [(f"/body/{place}/name", "is missing", place + 1) for place in range(10)]
    assert await problem(response) == on_lines(*faults)


async def test_a_fault_in_a_late_batch_undoes_the_early_ones(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    response = await client.post(PATH, data=ndjson([*[{"name": "x"}] * 2100, {"name": 5}]), headers=NDJSON)
    assert await problem(response) == on_lines(("/body/2100/name", "Input should be a valid string", 2101))
    assert await _number(database) == 0


async def test_a_row_that_another_makes_impossible_is_named(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    rows = [{"name": "x", "sku": f"S{number}"} for number in range(2400)]
    for first, second in ((5, 900), (5, 2399), (1999, 2000)):
        sent = [*rows[:second], {"name": "y", "sku": f"S{first}"}, *rows[second + 1 :]]
        response = await client.post(PATH, data=ndjson(sent), headers=NDJSON)
        assert await problem(response) == sku_taken(f"/body/{second}/sku", line=second + 1)
        assert await _number(database) == 0


async def test_a_row_that_the_database_refuses_is_named(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("ALTER TABLE products ADD CONSTRAINT no_glue CHECK (name <> 'glue')")
    rows = [{"name": "glue" if number in {1234, 1300} else "x"} for number in range(1500)]
    response = await client.post(PATH, data=ndjson(rows), headers=NDJSON)
    text = "The database refuses the row because of the constraint no_glue. Send another value."
    assert await problem(response) == {
        "type": "urn:nexus:problem:not-storable",
        "title": "The database refuses the value",
        "status": 422,
        "detail": text,
        "errors": [{"pointer": "/body/1234", "detail": text, "line": 1235}],
    }
    assert await _number(database) == 0


async def test_a_row_of_a_stream_is_limited_as_elsewhere(client: aiohttp.ClientSession) -> None:
    fits, long = {"name": "x", "description": "d" * 65533}, {"name": "x", "description": "d" * 65534}
    assert (await client.post(PATH, data=ndjson([fits]), headers=NDJSON)).status == 201
    response = await client.post(PATH, data=ndjson([long]), headers=NDJSON)
    assert await problem(response) == on_lines(("/body/0", "has 65537 bytes of text; a row has at most 65536", 1))


@pytest.mark.parametrize("end", [b"\n", b""])
async def test_a_line_is_limited(client: aiohttp.ClientSession, end: bytes) -> None:
    longest = b'{"name":"x"}' + b" " * (lines.MAX_LINE_BYTES - 12)
    assert (await client.post(PATH, data=longest + end, headers=NDJSON)).status == 201
    response = await client.post(PATH, data=b'{"name":"x"}\n' + longest + b" " + end, headers=NDJSON)
    assert await problem(response) == on_lines(("/body/1", "has more than 262144 bytes", 2))


@pytest.mark.parametrize("found", ["text/plain", "application/x-ndjson; charset=utf-16", "application/xml"])
async def test_other_media_types_are_refused_with_what_is_taken(client: aiohttp.ClientSession, found: str) -> None:
    response = await client.post(PATH, data=b"{}", headers={"Content-Type": found})
    assert await problem(response) == {
        "type": "urn:nexus:problem:unsupported-media-type",
        "title": "The body is not of a type that is accepted here",
        "status": 415,
        "detail": f"Found Content-Type {found!r}. Send one of application/json, application/x-ndjson, text/csv, in UTF-8.",
    }


async def test_a_compressed_stream_is_refused(client: aiohttp.ClientSession) -> None:
    response = await client.post(PATH, data=b"{}", headers={**NDJSON, "Content-Encoding": "gzip"})
    assert (response.status, (await problem(response))["detail"]) == (
        415,
        "Found Content-Encoding 'gzip'. Send the body uncompressed.",
    )


async def test_an_unknown_operation_is_refused(client: aiohttp.ClientSession) -> None:
    response = await client.post(f"{PATH}?operation=replace", data=b"{}", headers=NDJSON)
    text = "Input should be 'create', 'upsert', 'update' or 'delete'"
    assert await problem(response) == invalid(("/query/operation", text))


async def test_a_client_that_leaves_in_the_middle_leaves_nothing(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield ndjson([{"name": "x"}] * 3000)
        await asyncio.Event().wait()

    request = asyncio.create_task(client.post(PATH, data=body(), headers=NDJSON))
    await until(lambda: database.fetchval(WRITING), 1)
    request.cancel()
    await until(lambda: database.fetchval(WRITING), 0)
    assert await _number(database) == 0


@pytest.fixture
async def limited(
    make_settings: MakeSettings, database: asyncpg.Connection, token: str
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service whose streams may have 3 rows, 100 bytes and 1 s."""
    settings = make_settings(bulk_rows=3, bulk_bytes=100, bulk_seconds=1)
    async with serving_client(settings, token) as session:
        await database.execute("TRUNCATE products RESTART IDENTITY CASCADE")
        yield session


async def test_the_rows_of_a_stream_are_limited(limited: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    assert await (await limited.post(PATH, data=b'{"name":"x"}\n' * 3, headers=NDJSON)).json() == {"created": 3}
    for headers, body in ((NDJSON, b'{"name":"x"}\n' * 4), (CSV, b"name\nx\nx\nx\nx\n")):
        response = await limited.post(PATH, data=body, headers=headers)
        assert await problem(response) == {
            "type": "urn:nexus:problem:too-many-rows",
            "title": "There are too many rows in one request",
            "status": 413,
            "detail": "One request takes 3 rows; the stream has more. Send it in parts.",
            "limit": 3,
        }
    assert await _number(database) == 3


@pytest.mark.parametrize("size", [101, 50])
async def test_the_bytes_of_a_stream_are_limited(limited: aiohttp.ClientSession, size: int) -> None:
    response = await limited.post(PATH, data=in_parts(b" " * 101, size), headers=NDJSON)
    assert await problem(response) == {
        "type": "urn:nexus:problem:body-too-large",
        "title": "The request body is too large",
        "status": 413,
        "detail": "At most 100 bytes are accepted here. Send the content in parts.",
        "limit": 100,
    }


async def _until(over: asyncio.Event) -> AsyncIterator[bytes]:
    yield b'{"name":"x"}\n'
    await over.wait()


async def test_the_time_of_a_stream_is_limited(limited: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    response = await limited.post(PATH, data=_until(asyncio.Event()), headers=NDJSON)
    assert await problem(response) == {
        "type": "urn:nexus:problem:bulk-timeout",
        "title": "The request takes too long",
        "status": 408,
        "detail": "A stream of rows may take 1 s. Send or ask for the rows in parts.",
    }
    assert await _number(database) == 0


async def test_streams_leave_half_of_the_connections_to_short_requests(
    make_settings: MakeSettings, database: asyncpg.Connection, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_SECONDS", 0)
    over = asyncio.Event()
    async with serving_client(make_settings(postgres_pool_size=2), token) as client:
        streams = [asyncio.create_task(client.post(PATH, data=_until(over), headers=NDJSON)) for _ in range(4)]
        await until(lambda: database.fetchval(WRITING), 1)
        assert (await client.get("/v1/product")).status == 200
        over.set()
        assert [(await stream).status for stream in streams] == [201] * 4


async def test_lines_that_wait_are_written_before_the_transaction_is_idle_for_long(
    client: aiohttp.ClientSession, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "BLOCK_SECONDS", 0.05)
    before = await database.fetchval("SELECT count(*) FROM change_sets")

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b'{"name":"x"}\n'
            await asyncio.sleep(0.5)

    assert await (await client.post(PATH, data=body(), headers=NDJSON)).json() == {"created": 3}
    assert await database.fetchval("SELECT count(*) FROM change_sets") - before >= 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_lines_are_the_same_in_whatever_parts_they_arrive(size: int) -> None:
    content = b"a\n\nbb\r\nccc\nd"
    blocks = [block async for block in lines.read_lines(in_parts(content, size))]
    assert [line for block in blocks for line in block] == [b"a", b"", b"bb\r", b"ccc", b"d"]
