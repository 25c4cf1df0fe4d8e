"""Committed changes are published to the channel of their model, by the relay."""

import asyncio
import logging
from typing import Any

import aiohttp
import asyncpg
import pytest
from channel import published
from conftest import MakeSettings, serving_client
from prometheus_client import REGISTRY

from nexus_testkit import Issuer
from nexus_testkit.tcp_proxy import TcpProxy

ALL = ["name", "description", "sku", "supplier", "unspsc_code", "etim_class", "attributes"]


async def _feed(client: aiohttp.ClientSession, **query: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await (await client.get("/v1/changes", params=query)).json())["items"]
    return items


async def test_each_committed_change_is_published_with_its_place_in_the_feed(
    client: aiohttp.ClientSession, redis_url: str
) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "1"})
    await client.patch("/v1/product/1", json={"supplier": "s", "name": "A"})
    await client.put("/v1/product/1", json={"name": "B"})
    await client.delete("/v1/product/1")
    events = await published(redis_url, 4)
    places = [change["event"] for change in await _feed(client)]
    assert events == [
        {"op": "create", "event": places[0], "changed": ALL, "id": 1},
        {"op": "update", "event": places[1], "changed": ["name", "supplier"], "id": 1},
        {"op": "update", "event": places[2], "changed": ALL, "id": 1},
        {"op": "delete", "event": places[3], "changed": [], "id": 1},
    ]


async def test_many_rows_are_one_event_whose_range_is_in_the_feed(
    client: aiohttp.ClientSession, redis_url: str
) -> None:
    await client.post("/v1/product", json={"name": "first"})
    assert (await client.post("/v1/product/bulk", json=[{"name": "x"}] * 1000)).status == 201
    _, event = await published(redis_url, 2)
    changes = await _feed(client, after=event["after"], limit="1000")
    assert [change["id"] for change in changes] == list(range(2, 1002))
    assert event == {
        "op": "create",
        "event": changes[-1]["event"],
        "changed": ALL,
        "count": 1000,
        "after": event["after"],
    }


async def test_what_changes_nothing_is_not_published(client: aiohttp.ClientSession, redis_url: str) -> None:
    await client.post("/v1/product", json={"name": "a", "sku": "1"})
    await client.post("/v1/product", json={"name": "b", "sku": "1"})
    await client.post("/v1/product/bulk", json=[{"name": "b"}, {"name": ""}])
    await client.patch("/v1/product/9", json={"name": "A"})
    await client.delete("/v1/product/9")
    await client.post("/v1/product", json={"name": "last"})
    assert [event["id"] for event in await published(redis_url, 2)] == [1, 3]
    assert [change["id"] for change in await _feed(client)] == [1, 3]


async def test_an_upsert_is_published_as_what_it_did(client: aiohttp.ClientSession, redis_url: str) -> None:
    async def upsert(*names: str) -> None:
        data = [{"sku": name, "name": name} for name in names]
        body = {"parameters": {"data": data, "conflict_on": ["sku"]}}
        assert (await client.post("/v1/nodes/ProductBulkUpsertNode/execute", json=body)).status == 200

    await upsert("a")
    await upsert("a", "b")
    changes = [(event["op"], event["id"]) for event in await published(redis_url, 3)]
    assert (changes[0], sorted(changes[1:])) == (("create", 1), [("create", 3), ("update", 1)])


async def test_changes_go_to_the_tenant_of_who_made_them(
    service: str, issuer: Issuer, redis_url: str, client: aiohttp.ClientSession
) -> None:
    token = issuer.mint("dataflow-service", {"data:read", "data:write"}, tenant="acme")
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(service, headers=headers) as other:
        await other.post("/v1/product", json={"name": "a"})
        await client.post("/v1/product", json={"name": "b"})
        assert [event["id"] for event in await published(redis_url, 1, "acme")] == [1]
        assert [event["id"] for event in await published(redis_url, 1)] == [2]


async def _health(client: aiohttp.ClientSession) -> tuple[int, str, dict[str, str]]:
    await asyncio.sleep(1.1)  # longer than the answer is cached
    response = await client.get("/health")
    body = await response.json()
    return response.status, body["status"], {name: check["status"] for name, check in body["checks"].items()}


async def test_without_redis_writes_stand_and_are_published_later(
    client: aiohttp.ClientSession, redis_proxy: TcpProxy, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = REGISTRY.get_sample_value("dataflow_changes_published_total", {"channel": "data:product"}) or 0
    await redis_proxy.cut()
    with caplog.at_level(logging.WARNING, "dataflow_service"):
        response = await client.post("/v1/product/bulk", json=[{"name": "x"}, {"name": "y"}, {"name": "z"}])
        assert (response.status, await response.json()) == (201, {"created": 3, "ids": [1, 2, 3]})
        assert (await client.patch("/v1/product/2", json={"name": "after"})).status == 200
        assert await _health(client) == (200, "degraded", {"postgres": "ok", "redis": "failed"})
    (logged,) = [record.getMessage() for record in caplog.records if record.name.startswith("dataflow_service")]
    assert logged.startswith("changes are not published, and kept for later: Redis does not answer: ")

    await redis_proxy.start()
    assert [(event["op"], event.get("id")) for event in await published(redis_url, 2)] == [
        ("create", None),
        ("update", 2),
    ]
    assert await _health(client) == (200, "ok", {"postgres": "ok", "redis": "ok"})
    assert REGISTRY.get_sample_value("dataflow_changes_published_total", {"channel": "data:product"}) == before + 4


async def test_two_processes_publish_each_change_once(
    client: aiohttp.ClientSession, make_settings: MakeSettings, token: str, redis_url: str
) -> None:
    async with serving_client(make_settings(), token) as other:
        for number in range(20):
            await (client, other)[number % 2].post("/v1/product", json={"name": "x"})
        assert [event["id"] for event in await published(redis_url, 20)] == list(range(1, 21))
    await client.post("/v1/product", json={"name": "x"})
    assert [event["id"] for event in await published(redis_url, 21)] == list(range(1, 22))


async def test_another_process_goes_on_where_the_one_that_published_ends(
    client: aiohttp.ClientSession,
    make_settings: MakeSettings,
    token: str,
    redis_url: str,
    database: asyncpg.Connection,
) -> None:
    await client.post("/v1/product", json={"name": "x"})
    await published(redis_url, 1)
    async with serving_client(make_settings(), token) as other:
        ended = await database.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            "AND pid IN (SELECT pid FROM pg_stat_activity WHERE usename = current_user)"
        )
        assert ended == 1
        await other.post("/v1/product", json={"name": "y"})
        assert [event["id"] for event in await published(redis_url, 2)] == [1, 2]
