"""Requests that change the same rows in another order."""

import asyncio

import aiohttp
import asyncpg
from answers import problem
from conftest import MakeSettings, serving_client
from parts import until
from tenants import DEFAULT_TENANT

CONFLICT = {
    "type": "urn:nexus:problem:conflict-retry",
    "title": "The request collided with others",
    "status": 503,
    "detail": "Others changed the same rows in another order at that moment. The request did nothing. Repeat it.",
}
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = current_user"


def _updates(name: str, *ids: int) -> dict[str, object]:
    """A transaction of bulk updates of one row each."""
    node = "ProductBulkUpdateNode"
    return {"operations": [{"node": node, "parameters": {"data": [{"id": row, "name": name}]}} for row in ids]}


async def _send(client: aiohttp.ClientSession, body: object) -> aiohttp.ClientResponse:
    return await client.post("/v1/transactions", json=body)


async def test_of_two_overlapping_bulk_updates_one_is_done_and_the_other_may_be_repeated(
    client: aiohttp.ClientSession, database: asyncpg.Connection, postgres_url: str
) -> None:
    await client.post("/v1/product/bulk", json=[{"name": "a"}] * 3)
    barrier = await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT)
    await barrier.execute("BEGIN; UPDATE products SET name = name WHERE id = 3")
    bodies = [_updates("first", 1, 3, 2), _updates("second", 2, 3, 1)]
    tasks = [asyncio.create_task(_send(client, body)) for body in bodies]
    await until(lambda: database.fetchval(WAITING), 2)
    await barrier.execute("ROLLBACK")
    await barrier.close()
    responses = await asyncio.gather(*tasks)
    assert sorted(response.status for response in responses) == [200, 503]
    lost = next(number for number, response in enumerate(responses) if response.status == 503)
    assert (responses[lost].headers["Retry-After"], await problem(responses[lost])) == ("1", CONFLICT)
    names = "SELECT array_agg(DISTINCT name) FROM products"
    assert await database.fetchval(names) == [["first", "second"][1 - lost]]
    assert (await _send(client, bodies[lost])).status == 200
    assert await database.fetchval(names) == [["first", "second"][lost]]


async def test_a_transaction_that_cannot_be_serialized_may_be_repeated(
    make_settings: MakeSettings, database: asyncpg.Connection, postgres_url: str, token: str
) -> None:
    """A database may have another isolation level as its default."""
    role = await database.fetchval("SELECT current_user")
    await database.execute(f"ALTER ROLE {role} SET default_transaction_isolation = 'repeatable read'")
    async with serving_client(make_settings(), token) as client:
        await client.post("/v1/product", json={"name": "a"})
        other = await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT)
        await other.execute("BEGIN; UPDATE products SET name = 'other' WHERE id = 1")
        task = asyncio.create_task(_send(client, _updates("b", 1)))
        await until(lambda: database.fetchval(WAITING), 1)
        await other.execute("COMMIT")
        await other.close()
        response = await task
        assert (response.status, response.headers["Retry-After"], await problem(response)) == (503, "1", CONFLICT)
        assert (await client.patch("/v1/product/1", json={"name": "b"})).status == 200
