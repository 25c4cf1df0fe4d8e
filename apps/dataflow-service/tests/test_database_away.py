import asyncio

import aiohttp
from proxy import Proxy

AWAY = {
    "type": "urn:nexus:problem:database-unavailable",
    "title": "The database is unavailable",
    "status": 503,
    "detail": "The database does not answer now. A change that was under way may or may not have been made: "
    "read the rows in 2 seconds, then repeat what is missing.",
}
CALLS = [
    ("GET", "/v1/product"),
    ("POST", "/v1/product"),
    ("GET", "/v1/product/count"),
    ("GET", "/v1/product/1"),
    ("PATCH", "/v1/product/1"),
    ("PUT", "/v1/product/1"),
    ("DELETE", "/v1/product/1"),
]


async def _health(client: aiohttp.ClientSession, path: str = "/health") -> tuple[int, str]:
    response = await client.get(path)
    return response.status, (await response.json())["status"]


async def test_without_postgresql_the_service_says_so_and_recovers_by_itself(
    client: aiohttp.ClientSession, postgres_proxy: Proxy
) -> None:
    assert (await client.post("/v1/product", json={"name": "kept"})).status == 201
    assert await _health(client) == (200, "ok")

    await postgres_proxy.cut()
    for method, path in CALLS:
        response = await client.request(method, path, json={"name": "lost"})
        assert (response.status, response.headers["Retry-After"], await response.json(content_type=None)) == (
            503,
            "2",
            AWAY,
        )
    await asyncio.sleep(1.1)  # longer than the answer is cached
    assert await _health(client) == (503, "unavailable")
    assert await _health(client, "/readyz") == (503, "unavailable")
    assert await _health(client, "/livez") == (200, "ok")

    await postgres_proxy.restore()
    rows = (await (await client.get("/v1/product")).json())["items"]
    assert [(row["id"], row["name"]) for row in rows] == [(1, "kept")]
    await asyncio.sleep(1.1)
    assert await _health(client) == (200, "ok")
