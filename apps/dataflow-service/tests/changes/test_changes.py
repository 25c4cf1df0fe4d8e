import asyncio
import logging
from typing import Any

import aiohttp
import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from tcp_proxy import Proxy

from nexus_chassis.channels import START, Channel, Position, history, position

ALL = ["name", "description", "sku", "supplier", "unspsc_code", "etim_class", "attributes"]


async def _events(redis_url: str) -> list[Any]:
    redis = Redis.from_url(redis_url, decode_responses=True)
    channel = Channel.parse("data:product", None)
    epoch = (await position(redis, channel)).epoch
    events = await history(redis, channel, Position(epoch, START))
    await redis.aclose()
    return [event.data for event in events or []]


async def test_each_change_is_published_once_it_is_committed(client: aiohttp.ClientSession, redis_url: str) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "1"})
    await client.post("/v1/product/bulk", json=[{"name": "b"}, {"name": "c"}])
    await client.patch("/v1/product/1", json={"supplier": "s", "name": "A"})
    await client.put("/v1/product/2", json={"name": "B"})
    await client.delete("/v1/product/3")
    assert await _events(redis_url) == [
        {"op": "create", "id": 1, "changed": ALL},
        {"op": "create", "id": 2, "changed": ALL},
        {"op": "create", "id": 3, "changed": ALL},
        {"op": "update", "id": 1, "changed": ["name", "supplier"]},
        {"op": "update", "id": 2, "changed": ALL},
        {"op": "delete", "id": 3, "changed": []},
    ]


async def test_the_events_of_a_bulk_are_published_together(
    client: aiohttp.ClientSession, redis_proxy: Proxy, redis_url: str
) -> None:
    await client.post("/v1/product", json={"name": "first"})
    before = redis_proxy.answers
    assert (await client.post("/v1/product/bulk", json=[{"name": "x"}] * 1000)).status == 201
    assert redis_proxy.answers - before <= 20  # a round trip for 500 events; one for each would be a thousand
    assert [event["id"] for event in await _events(redis_url)] == list(range(1, 1002))


async def test_what_changes_nothing_is_not_published(client: aiohttp.ClientSession, redis_url: str) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "1"})
    await client.post("/v1/product", json={"name": "b", "sku": "1"})
    await client.post("/v1/product/bulk", json=[{"name": "b"}, {"name": ""}])
    await client.patch("/v1/product/9", json={"name": "A"})
    await client.delete("/v1/product/9")
    assert await _events(redis_url) == [{"op": "create", "id": 1, "changed": ALL}]


def _counted(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"channel": "data:product"}) or 0


async def _health(client: aiohttp.ClientSession) -> tuple[int, str, dict[str, str]]:
    await asyncio.sleep(1.1)  # longer than the answer is cached
    response = await client.get("/health")
    body = await response.json()
    return response.status, body["status"], {name: check["status"] for name, check in body["checks"].items()}


async def test_without_redis_a_write_stands_and_its_publication_is_counted_as_missed(
    client: aiohttp.ClientSession, redis_proxy: Proxy, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    await client.post("/v1/product", json={"name": "before"})
    missed, published = _counted("dataflow_changes_missed_total"), _counted("dataflow_changes_published_total")
    await redis_proxy.cut()
    with caplog.at_level(logging.WARNING, "dataflow_service"):
        response = await client.post("/v1/product/bulk", json=[{"name": "x"}, {"name": "y"}, {"name": "z"}])
    assert (response.status, await response.json()) == (201, {"created": 3, "ids": [2, 3, 4]})
    assert (await (await client.get("/v1/product/3")).json())["name"] == "y"
    assert await _health(client) == (200, "degraded", {"postgres": "ok", "redis": "failed"})
    assert _counted("dataflow_changes_missed_total") == missed + 3
    (logged,) = [record.getMessage() for record in caplog.records if record.name.startswith("dataflow_service")]
    assert logged.startswith("3 changes were not published to data:product: ")

    await redis_proxy.restore()
    assert (await client.patch("/v1/product/2", json={"name": "after"})).status == 200
    assert await _health(client) == (200, "ok", {"postgres": "ok", "redis": "ok"})
    assert _counted("dataflow_changes_published_total") == published + 1
    assert await _events(redis_url) == [
        {"op": "create", "id": 1, "changed": ALL},
        {"op": "update", "id": 2, "changed": ["name"]},
    ]
