"""A request with an Idempotency-Key takes effect once, however often it is sent."""

import asyncio
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, problem
from parts import until
from tenants import DEFAULT_TENANT

from dataflow_service.idempotency import service as idempotency
from nexus_testkit import Issuer

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
CREATE = {"node": "ProductCreateNode", "parameters": {"name": "a"}}
REQUESTS = [
    pytest.param("/v1/product", {"name": "a"}, id="create"),
    pytest.param("/v1/product/upsert?on=sku", {"name": "a", "sku": "s"}, id="upsert"),
    pytest.param("/v1/product/bulk", [{"name": "a"}], id="bulk"),
    pytest.param("/v1/nodes/ProductCreateNode/execute", {"parameters": {"name": "a"}}, id="node"),
    pytest.param("/v1/nodes/ProductBulkCreateNode/execute", {"parameters": {"data": [{"name": "a"}]}}, id="bulk node"),
    pytest.param("/v1/transactions", {"operations": [CREATE]}, id="transaction"),
]
REUSED = {
    "type": "urn:nexus:problem:idempotency-key-reused",
    "title": "The Idempotency-Key belongs to another request",
    "status": 422,
    "detail": "You have sent another request with this Idempotency-Key within 24 hours. Repeat a request unchanged, or send a "
    "new one with a key of its own.",
}
RUNNING = {
    "type": "urn:nexus:problem:request-running",
    "title": "The request is still running",
    "status": 409,
    "detail": "A request with this Idempotency-Key is still running. Repeat it later for its answer.",
}
INVALID = {
    "type": "urn:nexus:problem:invalid-idempotency-key",
    "title": "The Idempotency-Key cannot be used",
    "status": 400,
    "detail": "Idempotency-Key should be one string of 1 to 255 printable ASCII characters without quote and backslash, "
    'such as "8e03978e-40d5-43dd-bc93-6894a57f9324". Make a new one, for example a UUID, for each request.',
}
VARYING = {"date", "traceparent", "server-timing", "x-request-id", "idempotent-replayed"}

type Answer = tuple[int, bytes, dict[str, str]]


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    """The status, the body, and the header fields that belong to the content."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return response.status, await response.read(), {name: headers[name] for name in headers.keys() - VARYING}


async def _rows(database: asyncpg.Connection) -> int:
    return int(await database.fetchval("SELECT count(*) FROM products"))


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_a_repeated_request_has_the_same_answer_and_no_effect(
    client: aiohttp.ClientSession, database: asyncpg.Connection, path: str, body: object
) -> None:
    first = await client.post(path, json=body, headers=KEY)
    await database.execute("UPDATE products SET name = 'changed', row_version = 9")
    second = await client.post(path, json=body, headers=KEY)
    assert first.status in {200, 201}
    assert await _answer(second) == await _answer(first)
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert await _rows(database) == 1
    assert await database.fetchval("SELECT count(*) FROM changes") == 1


async def test_a_created_row_keeps_its_location_and_its_etag(client: aiohttp.ClientSession) -> None:
    for _ in range(2):
        response = await client.post("/v1/product", json={"name": "a"}, headers=KEY)
        names = ("Location", "ETag", "Content-Type")
        assert [response.headers[name] for name in names] == ["product/1", '"1"', "application/json"]


async def test_a_deleted_row_is_said_to_be_deleted_again(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "a"})
    for _ in range(2):
        body = {"parameters": {"id": 1}}
        response = await client.post("/v1/nodes/ProductDeleteNode/execute", json=body, headers=KEY)
        assert (response.status, await response.json()) == (200, {"deleted": True, "id": 1})


async def test_a_node_that_reads_is_not_answered_from_what_was_kept(client: aiohttp.ClientSession) -> None:
    for number in range(2):
        response = await client.post("/v1/nodes/ProductCountNode/execute", json={"parameters": {}}, headers=KEY)
        assert await response.json() == {"count": number}
        await client.post("/v1/product", json={"name": "a"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/product", {"name": "b"}),
        ("/v1/product/bulk", [{"name": "a"}]),
    ],
)
async def test_another_request_with_the_key_is_refused(
    client: aiohttp.ClientSession, database: asyncpg.Connection, path: str, body: object
) -> None:
    await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    response = await client.post(path, json=body, headers=KEY)
    assert (response.status, await problem(response)) == (422, REUSED)
    assert await _rows(database) == 1


async def test_another_tenant_does_not_get_the_answer(
    client: aiohttp.ClientSession, service: str, issuer: Issuer
) -> None:
    await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    token = issuer.mint("dataflow-service", {"data:write"}, tenant="acme")
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as other:
        response = await other.post("/v1/product", json={"name": "a"}, headers=KEY)
        assert (response.status, await problem(response)) == (422, REUSED)


async def test_keys_belong_to_a_subject(
    client: aiohttp.ClientSession, service: str, issuer: Issuer, database: asyncpg.Connection
) -> None:
    await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    token = issuer.mint("dataflow-service", {"data:write"}, subject="bob")
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as other:
        response = await other.post("/v1/product", json={"name": "b"}, headers=KEY)
        assert (response.status, response.headers["Location"]) == (201, "product/2")
    assert await _rows(database) == 2


async def test_who_may_no_longer_write_does_not_get_the_answer(
    client: aiohttp.ClientSession, service: str, issuer: Issuer
) -> None:
    await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    token = issuer.mint("dataflow-service", {"data:read"})
    async with aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"}) as reader:
        assert (await reader.post("/v1/product", json={"name": "a"}, headers=KEY)).status == 403


async def test_an_error_is_not_kept(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.post("/v1/product", json={"name": "first", "sku": "s"})
    body = {"name": "a", "sku": "s"}
    assert (await client.post("/v1/product", json=body, headers=KEY)).status == 409
    assert (await client.post("/v1/product", json={"name": ""}, headers=KEY)).status == 422
    assert await database.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    await client.delete("/v1/product/1")
    assert (await client.post("/v1/product", json=body, headers=KEY)).status == 201


@pytest.mark.parametrize(("path", "body"), REQUESTS)
async def test_fifty_clients_at_once_have_one_effect(
    client: aiohttp.ClientSession, database: asyncpg.Connection, path: str, body: object
) -> None:
    responses = await asyncio.gather(*(client.post(path, json=body, headers=KEY) for _ in range(50)))
    done = [response for response in responses if response.status in {200, 201}]
    assert await _rows(database) == 1
    assert await database.fetchval("SELECT count(*) FROM changes") == 1
    assert len([response for response in done if "Idempotent-Replayed" not in response.headers]) == 1
    assert all([await _answer(response) == await _answer(done[0]) for response in done])
    assert [await problem(response) for response in responses if response not in done] == [RUNNING] * (50 - len(done))


async def test_a_request_whose_first_is_still_running_is_refused(
    client: aiohttp.ClientSession, database: asyncpg.Connection, postgres_url: str
) -> None:
    other = await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT)
    await other.execute("BEGIN; INSERT INTO products (name, sku) VALUES ('other', 's')")

    def send() -> Any:  # noqa: ANN401 - aiohttp's own context manager
        return client.post("/v1/product", json={"name": "a", "sku": "s"}, headers=KEY)

    first = asyncio.create_task(_sent(send()))
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = current_user"
    await until(lambda: database.fetchval(waiting), 1)
    second = await send()
    assert (second.status, second.headers["Retry-After"], await problem(second)) == (409, "1", RUNNING)
    await other.execute("ROLLBACK")
    await other.close()
    assert (await first).status == 201
    third = await send()
    assert await _answer(third) == await _answer(await first)


async def _sent(request: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - aiohttp's own context manager
    response: aiohttp.ClientResponse = await request
    return response


@pytest.mark.parametrize(
    "key",
    ["", '""', '"a', "a b", "a,b", 'a"b', '"a\\b"', '"a"b"', "a;b=1", '"a";b=1', "x" * 256, f'"{"x" * 256}"', "é"],
)
async def test_what_is_no_key_is_refused(client: aiohttp.ClientSession, database: asyncpg.Connection, key: str) -> None:
    response = await client.post("/v1/product", json={"name": "a"}, headers={"Idempotency-Key": key})
    assert (response.status, await problem(response)) == (400, INVALID)
    assert await _rows(database) == 0


async def test_two_keys_are_refused(client: aiohttp.ClientSession) -> None:
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "a"), *JSON.items()]
    response = await client.post("/v1/product", data=b'{"name": "a"}', headers=headers)
    assert (response.status, await problem(response)) == (400, INVALID)


@pytest.mark.parametrize("key", ["x" * 255, "A-Z_a.z~0:9/+=@!#$%&'()*?[]^`{|}"])
async def test_a_key_is_the_same_with_and_without_quotes(
    client: aiohttp.ClientSession, database: asyncpg.Connection, key: str
) -> None:
    for sent in (key, f'"{key}"'):
        response = await client.post("/v1/product", json={"name": "a"}, headers={"Idempotency-Key": sent})
        assert response.status == 201
    assert await _rows(database) == 1


async def test_a_key_in_quotes_may_have_spaces_commas_and_semicolons(client: aiohttp.ClientSession) -> None:
    response = await client.post("/v1/product", json={"name": "a"}, headers={"Idempotency-Key": '"order 7, line; 3"'})
    assert response.status == 201


async def test_a_key_is_forgotten_after_a_day(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    await database.execute("UPDATE idempotency_keys SET at = at - interval '23 hours 59 minutes'")
    assert (await client.post("/v1/product", json={"name": "b"}, headers=KEY)).status == 422
    await database.execute("UPDATE idempotency_keys SET at = at - interval '2 minutes'")
    for _ in range(2):
        response = await client.post("/v1/product", json={"name": "b"}, headers=KEY)
        assert (response.status, response.headers["Location"]) == (201, "product/2")


async def test_each_new_key_deletes_ten_that_are_forgotten(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute(
        "INSERT INTO idempotency_keys SELECT 'alice', 'old' || n, now() - n * interval '1 hour', '', 200, '{}', '' "
        "FROM generate_series(20, 41) AS n"
    )
    left = []
    for number in range(3):
        await client.post("/v1/product", json={"name": "a"}, headers={"Idempotency-Key": f"new{number}"})
        left.append(await database.fetchval("SELECT count(*) FROM idempotency_keys WHERE key LIKE 'old%'"))
    assert left == [12, 4, 4]


async def test_an_answer_that_cannot_be_kept_undoes_the_request(
    client: aiohttp.ClientSession, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_ANSWER_BYTES", 50)
    response = await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    assert (response.status, await problem(response)) == (
        422,
        {
            "type": "urn:nexus:problem:answer-too-large",
            "title": "The answer would be too large",
            "status": 422,
            "detail": "The answer would have more than 50 bytes. Nothing was done. Send the request in parts.",
            "limit": 50,
        },
    )
    assert await _rows(database) == 0
    assert (await client.post("/v1/product", json={"name": "a"})).status == 201


async def test_the_answer_commits_with_the_row(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.post("/v1/product", json={"name": "a"}, headers=KEY)
    xmins = "SELECT (SELECT xmin::text FROM products) = (SELECT xmin::text FROM idempotency_keys)"
    assert await database.fetchval(xmins) is True
