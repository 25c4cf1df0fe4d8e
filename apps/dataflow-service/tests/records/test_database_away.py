import asyncio

import aiohttp
import asyncpg
from conftest import MakeSettings, serving_client

from nexus_testkit.tcp_proxy import TcpProxy

AWAY = {
    "type": "urn:nexus:problem:database-unavailable",
    "title": "The database is unavailable",
    "status": 503,
    "detail": "The database does not answer now. A change that was under way may or may not have been made: "
    "read it again in a few seconds, then repeat what is missing.",
}
CALLS = [
    ("GET", "/v1/product"),
    ("POST", "/v1/product"),
    ("POST", "/v1/product/bulk"),
    ("GET", "/v1/product/count"),
    ("POST", "/v1/product/query"),
    ("GET", "/v1/product/1"),
    ("PATCH", "/v1/product/1"),
    ("PUT", "/v1/product/1"),
    ("DELETE", "/v1/product/1"),
]
BODIES: dict[str, object] = {"/v1/product/bulk": [{"name": "lost"}], "/v1/product/query": {}}


async def _health(client: aiohttp.ClientSession, path: str = "/health") -> tuple[int, str]:
    response = await client.get(path)
    return response.status, (await response.json())["status"]


async def test_without_postgresql_every_endpoint_of_rows_is_503_and_the_service_recovers_by_itself(
    client: aiohttp.ClientSession, postgres_proxy: TcpProxy
) -> None:
    assert (await client.post("/v1/product", json={"name": "kept"})).status == 201
    assert await _health(client) == (200, "ok")

    await postgres_proxy.cut()
    for method, path in CALLS:
        response = await client.request(method, path, json=BODIES.get(path, {"name": "lost"}))
        answer = (response.status, response.headers["Retry-After"], await response.json(content_type=None))
        assert answer == (503, "2", AWAY), (method, path)
    await asyncio.sleep(1.1)  # longer than the answer is cached
    assert await _health(client) == (503, "unavailable")
    assert await _health(client, "/readyz") == (503, "unavailable")
    assert await _health(client, "/livez") == (200, "ok")
    assert (await client.get("/v1/models")).status == 200

    await postgres_proxy.start()
    rows = (await (await client.get("/v1/product")).json())["items"]
    assert [(row["id"], row["name"]) for row in rows] == [(1, "kept")]
    await asyncio.sleep(1.1)
    assert await _health(client) == (200, "ok")


async def test_a_service_that_starts_without_postgresql_waits_for_it_unready(
    make_settings: MakeSettings, postgres_proxy: TcpProxy, token: str
) -> None:
    settings = make_settings(postgres_url=postgres_proxy.instead_of(make_settings().postgres_url))
    await postgres_proxy.cut()
    async with serving_client(settings, token) as client:
        assert await _health(client, "/readyz") == (503, "starting")
        assert await _health(client, "/livez") == (200, "ok")
        assert (await client.get("/v1/product")).status == 503
        await postgres_proxy.start()
        await asyncio.sleep(2.5)  # it tries every half second, and an answer is cached for one
        assert await _health(client, "/readyz") == (200, "ok")
        assert (await client.get("/v1/product")).status == 200


async def test_all_connections_in_use_is_a_short_wait_and_no_failure(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product", json={"name": "x"})
    answers = await asyncio.gather(*(client.get("/v1/product/1") for _ in range(300)))
    assert {answer.status for answer in answers} == {200}


async def test_health_is_answered_while_all_connections_of_the_pool_are_in_use(
    make_settings: MakeSettings, database: asyncpg.Connection, token: str
) -> None:
    async with serving_client(make_settings(postgres_pool_size=2), token) as client:
        created = await client.post("/v1/product", json={"name": "x"})
        path = f"/v1/{created.headers['Location']}"
        async with database.transaction():
            await database.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
            blocked = [asyncio.create_task(client.get(path)) for _ in range(2)]
            await asyncio.sleep(0.2)
            assert await _health(client) == (200, "ok")
            assert not any(task.done() for task in blocked)
        assert {response.status for response in await asyncio.gather(*blocked)} == {200}
