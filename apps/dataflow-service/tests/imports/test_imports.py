"""A large file is sent in parts, each of which is written once."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from parts import WRITING, until
from streams import CSV, NDJSON, in_parts, ndjson, on_lines

from nexus_testkit import Issuer

IMPORT = "/v1/product/imports/8e03978e-40d5-43dd-bc93-6894a57f9324"
ROWS = 1200
BODIES = {
    number: ndjson({"name": f"n{number}-{row}", "sku": f"s{number}-{row}"} for row in range(ROWS))
    for number in (1, 2, 3)
}
RUNNING = {
    "type": "urn:nexus:problem:part-running",
    "title": "The part is being written",
    "status": 409,
    "detail": "Part 1 of the import is being written by another request. Repeat this one later.",
}


async def _put(
    client: aiohttp.ClientSession, number: int, body: bytes | None = None, address: str = IMPORT, query: str = ""
) -> aiohttp.ClientResponse:
    content = in_parts(BODIES[number] if body is None else body, 10_000)
    return await client.put(f"{address}/parts/{number}{query}", data=content, headers=NDJSON)


async def _parts(client: aiohttp.ClientSession, address: str = IMPORT) -> list[int]:
    return [part["part"] for part in (await (await client.get(address)).json())["items"]]


async def _counts(database: asyncpg.Connection) -> tuple[int, int]:
    """How many rows there are, and how many changes of them."""
    found = await database.fetchrow("SELECT (SELECT count(*) FROM products), (SELECT count(*) FROM changes)")
    return found[0], found[1]


@pytest.fixture(autouse=True)
async def no_parts(service: str, database: asyncpg.Connection) -> None:  # noqa: ARG001 - it makes the tables
    """No part is in."""
    await database.execute("TRUNCATE import_parts")


async def test_each_part_says_what_it_was(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    answer = await _put(client, 1)
    part = await answer.json()
    moment = datetime.fromisoformat(part.pop("at"))
    assert (answer.status, part) == (
        201,
        {
            "part": 1,
            "bytes": len(BODIES[1]),
            "sha256": hashlib.sha256(BODIES[1]).hexdigest(),
            "counts": {"created": ROWS},
        },
    )
    listed = await (await client.get(IMPORT)).json()
    assert [datetime.fromisoformat(one.pop("at")) for one in listed["items"]] == [moment]
    assert listed == {"items": [part], "next": None}
    assert await database.fetchval("SELECT count(*) FROM products") == ROWS


async def test_an_import_is_resumed_with_the_parts_that_are_missing(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    for number in (3, 1):
        assert (await _put(client, number)).status == 201
    assert await _parts(client) == [1, 3]
    assert (await _put(client, 2)).status == 201
    assert await _parts(client) == [1, 2, 3]
    assert await database.fetchval("SELECT count(*) FROM products") == 3 * ROWS


async def test_a_part_that_is_in_is_not_written_again(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    first = await _put(client, 1)
    before = await _counts(database)
    second = await _put(client, 1)
    assert (second.status, await second.json()) == (200, await first.json())
    assert await _counts(database) == before


@pytest.mark.parametrize(
    ("body", "query", "headers"),
    [
        (BODIES[2], "", NDJSON),
        (BODIES[1][:-1], "", NDJSON),
        (BODIES[1], "?operation=upsert&on=sku", NDJSON),
        (BODIES[1], "", CSV),
        (b"", "", NDJSON),
    ],
)
async def test_a_part_that_is_in_with_other_content_is_refused(
    client: aiohttp.ClientSession, database: asyncpg.Connection, body: bytes, query: str, headers: dict[str, str]
) -> None:
    await _put(client, 1)
    before = await _counts(database)
    response = await client.put(f"{IMPORT}/parts/1{query}", data=body, headers=headers)
    assert (response.status, await problem(response)) == (
        409,
        {
            "type": "urn:nexus:problem:part-differs",
            "title": "The part is in with other content",
            "status": 409,
            "detail": "Part 1 of the import is in already, with other content, as another type or with another operation. It "
            "was not written again. List the parts that are in, or begin another import.",
        },
    )
    assert await _counts(database) == before


async def test_a_part_with_a_fault_is_not_in_and_others_stay(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _put(client, 1)
    response = await _put(client, 2, BODIES[2] + b"{}\n")
    assert await problem(response) == on_lines((f"/body/{ROWS}/name", "is missing", ROWS + 1))
    assert await _parts(client) == [1]
    assert await database.fetchval("SELECT count(*) FROM products") == ROWS
    assert (await _put(client, 2)).status == 201


async def test_a_part_that_broke_off_is_sent_again(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield BODIES[1]
        await asyncio.Event().wait()

    request = asyncio.create_task(client.put(f"{IMPORT}/parts/1", data=endless(), headers=NDJSON))
    await until(lambda: database.fetchval(WRITING), 1)
    request.cancel()
    await until(lambda: database.fetchval(WRITING), 0)
    assert await _parts(client) == []
    assert (await _put(client, 1)).status == 201
    assert await database.fetchval("SELECT count(*) FROM products") == ROWS


async def test_a_part_sent_by_fifty_clients_at_once_is_written_once(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    before = await _counts(database)
    responses = await asyncio.gather(*(_put(client, 1) for _ in range(50)))
    assert await _counts(database) == (before[0] + ROWS, before[1] + ROWS)
    statuses = [response.status for response in responses]
    assert (statuses.count(201), set(statuses) <= {200, 201, 409}) == (1, True)
    refused = [await problem(response) for response in responses if response.status == 409]
    assert refused == [RUNNING] * len(refused)


async def test_parts_may_be_sent_at_the_same_time(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    responses = await asyncio.gather(*(_put(client, number) for number in BODIES))
    assert [response.status for response in responses] == [201] * 3
    assert await database.fetchval("SELECT count(*) FROM products") == 3 * ROWS


async def test_the_record_commits_with_the_rows(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.put(f"{IMPORT}/parts/1", data=b'{"name": "a"}\n', headers=NDJSON)
    same = "SELECT (SELECT changes.xid::xid FROM changes ORDER BY changes.xid DESC LIMIT 1) = (SELECT xmin FROM import_parts)"
    assert await database.fetchval(same) is True


async def test_csv_has_its_header_in_each_part(client: aiohttp.ClientSession) -> None:
    for number, content in ((1, b"name;sku\na;A\n"), (2, b"sku;name\nA;b\nB;c\n")):
        query = f"{IMPORT}/parts/{number}?operation=upsert&on=sku"
        response = await client.put(query, data=content, headers=CSV)
        assert response.status == 201
    assert (await response.json())["counts"] == {"created": 1, "updated": 1}


async def test_imports_belong_to_a_subject_of_a_tenant_and_a_model(
    client: aiohttp.ClientSession, service: str, issuer: Issuer
) -> None:
    await _put(client, 1)
    others: list[dict[str, Any]] = [{"subject": "bob"}, {"tenant": "acme"}]
    for claims in others:
        token = issuer.mint("dataflow-service", {"data:read", "data:write"}, **claims)
        async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as other:
            assert await _parts(other) == []
            response = await other.put(f"{IMPORT}/parts/1", data=b'{"name": "a"}\n', headers=NDJSON)
            assert response.status == 201
    assert await _parts(client, "/v1/product/imports/another") == []


async def test_parts_are_listed_in_pages(client: aiohttp.ClientSession) -> None:
    for number in (1, 2, 10):
        await client.put(f"{IMPORT}/parts/{number}", data=b'{"name": "a"}\n', headers=NDJSON)
    first = await (await client.get(f"{IMPORT}?limit=2")).json()
    second = await (await client.get(f"{IMPORT}?limit=2&after={first['next']}")).json()
    assert [[part["part"] for part in page["items"]] for page in (first, second)] == [[1, 2], [10]]
    assert (first["next"], second["next"]) == (2, None)


async def test_a_part_is_forgotten_after_seven_days(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await client.put(f"{IMPORT}/parts/1", data=b'{"name": "a"}\n', headers=NDJSON)
    await database.execute("UPDATE import_parts SET at = at - interval '6 days 23 hours'")
    assert await _parts(client) == [1]
    await database.execute("UPDATE import_parts SET at = at - interval '2 hours'")
    assert await _parts(client) == []
    await client.put(f"{IMPORT}/parts/2", data=b'{"name": "a"}\n', headers=NDJSON)
    assert await database.fetchval("SELECT array_agg(part) FROM import_parts") == [2]
    response = await client.put(f"{IMPORT}/parts/1", data=b'{"name": "b"}\n', headers=NDJSON)
    assert response.status == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/product/imports/a.b/parts/1", 422),
        (f"/v1/product/imports/{'x' * 65}/parts/1", 422),
        (f"{IMPORT}/parts/0", 422),
        (f"{IMPORT}/parts/1000001", 422),
        (f"{IMPORT}/parts/one", 422),
        (f"{IMPORT}/parts/1?operation=replace", 422),
        (f"{IMPORT}/parts/1?part=2", 400),
        ("/v1/nothing/imports/x/parts/1", 404),
    ],
)
async def test_what_is_no_part_is_refused(client: aiohttp.ClientSession, path: str, status: int) -> None:
    response = await client.put(path, data=b'{"name": "a"}\n', headers=NDJSON)
    assert (response.status, (await problem(response))["status"]) == (status, status)


async def test_arrays_are_no_parts(client: aiohttp.ClientSession) -> None:
    response = await client.put(f"{IMPORT}/parts/1", json=[{"name": "a"}])
    assert (response.status, (await problem(response))["detail"]) == (
        415,
        "Found Content-Type 'application/json'. Send one of application/x-ndjson, text/csv, in UTF-8.",
    )


async def test_writing_needs_the_right_to_write(service: str, issuer: Issuer) -> None:
    token = issuer.mint("dataflow-service", {"data:read"})
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as reader:
        assert (await _put(reader, 1)).status == 403
        assert await _parts(reader) == []
