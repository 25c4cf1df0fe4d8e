"""A stream of rows with an Idempotency-Key takes effect once, however often it is sent."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from answers import problem
from conftest import MakeSettings, serving_client
from parts import WRITING, until
from streams import CSV, NDJSON, in_parts, ndjson
from test_idempotency_keys import INVALID, KEY, RUNNING

from nexus_testkit import Issuer

PATH = "/v1/product/bulk"
ROWS = 2500
STREAMS = [
    pytest.param(NDJSON, ndjson({"name": f"n{number}"} for number in range(ROWS)), id="ndjson"),
    pytest.param(CSV, b"name\n" + b"".join([b"n%d\n" % number for number in range(ROWS)]), id="csv"),
]
_, BODY = STREAMS[0].values


async def _counts(database: asyncpg.Connection) -> tuple[int, int]:
    """How many rows there are, and how many changes of them."""
    found = await database.fetchrow("SELECT (SELECT count(*) FROM products), (SELECT count(*) FROM changes)")
    return found[0], found[1]


async def _send(client: aiohttp.ClientSession, body: bytes, headers: dict[str, str]) -> aiohttp.ClientResponse:
    return await client.post(PATH, data=in_parts(body, 10_000), headers={**headers, **KEY})


@pytest.mark.parametrize(("headers", "body"), STREAMS)
async def test_a_repeated_stream_has_the_same_answer_and_no_effect(
    client: aiohttp.ClientSession, database: asyncpg.Connection, headers: dict[str, str], body: bytes
) -> None:
    first = await _send(client, body, headers)
    before = await _counts(database)
    second = await _send(client, body, headers)
    assert (first.status, await first.json(), first.headers.get("Idempotent-Replayed")) == (
        201,
        {"created": ROWS},
        None,
    )
    assert (second.status, await second.read(), second.headers["Idempotent-Replayed"]) == (
        201,
        await first.read(),
        "true",
    )
    assert await _counts(database) == before


@pytest.mark.parametrize(
    ("address", "headers", "body"),
    [
        (PATH, NDJSON, BODY + b'{"name": "one more"}\n'),
        (PATH, NDJSON, BODY[:-2] + b" }"),
        (PATH, NDJSON, b""),
        (PATH, CSV, BODY),
        (f"{PATH}?operation=upsert&on=sku", NDJSON, BODY),
        (PATH, {"Content-Type": "application/json"}, b'[{"name": "a"}]'),
        ("/v1/product", {"Content-Type": "application/json"}, b'{"name": "a"}'),
    ],
)
async def test_another_request_with_the_key_is_refused(
    client: aiohttp.ClientSession, database: asyncpg.Connection, address: str, headers: dict[str, str], body: bytes
) -> None:
    await _send(client, BODY, NDJSON)
    before = await _counts(database)
    response = await client.post(address, data=body, headers={**headers, **KEY})
    assert (response.status, (await problem(response))["type"]) == (422, "urn:nexus:problem:idempotency-key-reused")
    assert await _counts(database) == before


async def test_a_key_of_another_tenant_is_refused(client: aiohttp.ClientSession, service: str, issuer: Issuer) -> None:
    await _send(client, BODY, NDJSON)
    token = issuer.mint("dataflow-service", {"data:write"}, tenant="acme")
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as other:
        assert (await _send(other, BODY, NDJSON)).status == 422


async def test_a_stream_that_failed_may_be_sent_again(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await client.post("/v1/product", json={"name": "x", "sku": "s"})
    body = BODY + b'{"name": "x", "sku": "s"}\n'
    for _ in range(2):
        assert (await _send(client, body, NDJSON)).status == 409
    assert (await _send(client, BODY + b"{}\n", NDJSON)).status == 422
    assert await database.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    await client.delete("/v1/product/1")
    assert await (await _send(client, body, NDJSON)).json() == {"created": ROWS + 1}


async def test_a_stream_whose_first_is_still_running_is_refused_before_it_is_read(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    go_on = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield BODY[:100_000]
        await go_on.wait()
        yield BODY[100_000:]

    async def endless() -> AsyncIterator[bytes]:
        yield BODY
        await asyncio.Event().wait()

    first = asyncio.create_task(client.post(PATH, data=slow(), headers={**NDJSON, **KEY}))
    await until(lambda: database.fetchval(WRITING), 1)
    async with asyncio.timeout(20):
        second = await client.post(PATH, data=endless(), headers={**NDJSON, **KEY})
    assert (second.status, await problem(second)) == (409, RUNNING)
    go_on.set()
    assert await (await first).json() == {"created": ROWS}


@pytest.mark.parametrize(("headers", "body"), STREAMS)
async def test_fifty_clients_at_once_have_one_effect(
    client: aiohttp.ClientSession, database: asyncpg.Connection, headers: dict[str, str], body: bytes
) -> None:
    before = await _counts(database)
    responses = await asyncio.gather(*(_send(client, body, headers) for _ in range(50)))
    done = [response for response in responses if response.status == 201]
    assert await _counts(database) == (before[0] + ROWS, before[1] + ROWS)
    assert len([response for response in done if "Idempotent-Replayed" not in response.headers]) == 1
    assert [await response.json() for response in done] == [{"created": ROWS}] * len(done)
    refused = [response for response in responses if response.status != 201]
    assert [await problem(response) for response in refused] == [RUNNING] * len(refused)


async def test_a_client_that_leaves_takes_no_key(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield BODY
        await asyncio.Event().wait()

    request = asyncio.create_task(client.post(PATH, data=endless(), headers={**NDJSON, **KEY}))
    await until(lambda: database.fetchval(WRITING), 1)
    request.cancel()
    await until(lambda: database.fetchval(WRITING), 0)
    assert await (await _send(client, BODY, NDJSON)).json() == {"created": ROWS}


async def test_what_is_no_key_is_refused(client: aiohttp.ClientSession) -> None:
    response = await client.post(PATH, data=BODY, headers={**NDJSON, "Idempotency-Key": "a b"})
    assert (response.status, await problem(response)) == (400, INVALID)


@pytest.fixture
async def limited(
    make_settings: MakeSettings, database: asyncpg.Connection, token: str
) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service whose streams may take 0.5 s."""
    async with serving_client(make_settings(bulk_seconds=0.5), token) as session:
        await database.execute("TRUNCATE products RESTART IDENTITY CASCADE")
        yield session


async def test_the_time_of_a_repeated_stream_is_limited(limited: aiohttp.ClientSession) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b'{"name": "a"}\n'
        await asyncio.Event().wait()

    headers = {**NDJSON, **KEY}
    assert (await limited.post(PATH, data=b'{"name": "a"}\n', headers=headers)).status == 201
    response = await limited.post(PATH, data=endless(), headers=headers)
    assert (response.status, (await problem(response))["type"]) == (408, "urn:nexus:problem:bulk-timeout")
