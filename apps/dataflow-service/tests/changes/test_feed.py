"""GET /v1/changes: every committed change, once, in an order in which nothing appears behind what was read."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from channel import shown
from readings import READING
from tenants import DEFAULT_TENANT

from dataflow_service.changes import repository as changes
from dataflow_service.records import repository
from dataflow_service.records.author import Author
from dataflow_service.registry import loader
from nexus_testkit.tcp_proxy import TcpProxy

AUTHOR = Author("default", '{"subject": "test"}')
VALUES = {
    "name": "x",
    "description": None,
    "sku": None,
    "supplier": None,
    "unspsc_code": None,
    "etim_class": None,
    "attributes": "{}",
}


async def _page(client: aiohttp.ClientSession, **query: str) -> dict[str, Any]:
    response = await client.get("/v1/changes", params=query)
    assert response.status == 200, await response.text()
    page: dict[str, Any] = await response.json()
    return page


async def _walk(client: aiohttp.ClientSession, after: str) -> tuple[list[int], str]:
    """The ids of all changes after a position, read in pages of two, and the position behind them."""
    ids = []
    while items := (page := await _page(client, after=after, limit="2"))["items"]:
        ids += [item["id"] for item in items]
        after = page["next"]
    return ids, page["next"]


async def test_a_change_has_what_was_done_and_the_row_as_it_was_afterwards(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    created = await (await client.post("/v1/product", json={"name": "a"})).json()
    updated = await (await client.patch("/v1/product/1", json={"name": "b"})).json()
    await client.delete("/v1/product/1")
    await shown(database)
    page = await _page(client)
    about = [(item["model"], item["op"], item["id"], item["row"]) for item in page["items"]]
    assert about == [
        ("product", "create", 1, created),
        ("product", "update", 1, updated),
        ("product", "delete", 1, None),
    ]
    assert page["items"][1]["changed"] == ["name"]
    assert page["items"][1]["at"] == updated["updated_at"]
    assert page["next"] == page["items"][2]["event"]


@pytest.mark.parametrize(
    "values",
    [
        {
            "whole": 2**63 - 1,
            "exact": "1" * 38,
            "real": 1e-300,
            "document": {"n": 1.5, "list": [], "deep": [{"a": []}]},
        },
        {"exact": "0." + "0" * 99 + "1", "real": 1e308, "document": {}, "text": "\"'\\ ' OR 1=1; --\u2028\U0001f600"},
        {"moment": "2026-10-25T02:30:00.000001+01:00", "day": "0001-01-02", "also": None, "whole": -(2**63)},
    ],
)
async def test_rows_have_the_bytes_of_the_endpoints_of_rows(
    readings: aiohttp.ClientSession, database: asyncpg.Connection, values: dict[str, Any]
) -> None:
    answer = await (await readings.post("/v1/reading", json={**READING, **values})).read()
    await shown(database)
    feed = await (await readings.get("/v1/changes")).read()
    assert b'"row":' + answer + b"}]" in feed


async def test_pages_go_on_after_the_one_before_and_an_empty_one_too(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    latest = (await _page(client, after="latest"))["next"]
    assert await _page(client, after=latest) == {"items": [], "next": latest}
    await client.post("/v1/product/bulk", json=[{"name": "x"}] * 5)
    await shown(database)
    assert await _walk(client, latest) == ([1, 2, 3, 4, 5], (await _page(client, after="latest"))["next"])


async def test_a_page_ends_early_where_its_rows_have_a_mebibyte(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    for _ in range(2):
        await client.post("/v1/product/bulk", json=[{"name": "x", "description": "d" * 60_000}] * 15)
    await shown(database)
    first = await _page(client)
    second = await _page(client, after=first["next"])
    assert [len(page["items"]) for page in (first, second)] == [18, 12]


async def test_a_transaction_that_commits_late_is_not_missed_and_none_is_repeated(
    client: aiohttp.ClientSession, database: asyncpg.Connection, postgres_url: str
) -> None:
    model = loader.load("dataflow_service.models").named("Product")
    start = (await _page(client, after="latest"))["next"]
    first, second = (
        await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT),
        await asyncpg.connect(postgres_url, server_settings=DEFAULT_TENANT),
    )
    await first.execute("BEGIN")
    await second.execute("BEGIN")
    await repository.create(first, AUTHOR, model, VALUES)
    await repository.create(second, AUTHOR, model, VALUES)
    await second.execute("COMMIT")
    seen, place = await _walk(client, start)
    assert (seen, place) == ([], start)
    await first.execute("COMMIT")
    await shown(database)
    assert await _walk(client, place) == ([1, 2], (await _page(client, after="latest"))["next"])
    await first.close()
    await second.close()


async def test_what_is_rolled_back_is_no_change(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    model = loader.load("dataflow_service.models").named("Product")
    await database.execute("BEGIN")
    await repository.create(database, AUTHOR, model, VALUES)
    await database.execute("ROLLBACK")
    assert (await _page(client))["items"] == []


async def test_the_log_has_who_made_the_change(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await client.post("/v1/product", json={"name": "a"})
    author = await database.fetchval("SELECT author::text FROM change_sets")
    assert '"subject": "alice"' in author
    assert '"token_id": ' in author


async def test_old_changes_are_deleted_once_they_are_published_and_a_position_before_them_is_410(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    start = (await _page(client, after="latest"))["next"]
    await client.post("/v1/product/bulk", json=[{"name": "x"}] * 3)
    await client.post("/v1/product", json={"name": "y"})
    await shown(database)
    last_of_set = (await _page(client))["items"][2]["event"]
    await database.execute(
        "UPDATE change_sets SET at = at - interval '1 hour' WHERE id = (SELECT min(id) FROM change_sets)"
    )
    assert await _deleted(database) == 2
    assert [item["id"] for item in (await _page(client))["items"]] == [3, 4]
    assert [await _deleted(database), await _deleted(database)] == [1, 0]
    assert [item["id"] for item in (await _page(client))["items"]] == [4]
    assert await database.fetchval("SELECT count(*) FROM change_sets") == 1
    response = await client.get("/v1/changes", params={"after": start})
    assert await problem(response) == {
        "type": "urn:nexus:problem:changes-deleted",
        "title": "The changes are no longer kept",
        "status": 410,
        "detail": f"Changes after {start} were deleted: they are kept for a limited time. Read the rows again, and go on "
        f"with the feed from the oldest change that is kept, without `after`, or with after={last_of_set}.",
        "oldest": last_of_set,
    }


async def _deleted(database: asyncpg.Connection) -> int:
    """How many changes of more than 30 minutes ago are deleted, at most two at a time, once the relay has published them."""
    async with asyncio.timeout(20):
        while await changes.read_position(database, "published") < await changes.read_latest(database):  # noqa: ASYNC110 - the database announces nothing
            await asyncio.sleep(0.01)
    return await changes.delete_old(database, timedelta(minutes=30), limit=2)


async def test_changes_that_are_not_published_are_kept(
    client: aiohttp.ClientSession, redis_proxy: TcpProxy, database: asyncpg.Connection
) -> None:
    await redis_proxy.cut()
    await client.post("/v1/product", json={"name": "x"})
    await shown(database)
    assert await changes.delete_old(database, timedelta(0), limit=2) == 0
    assert [item["id"] for item in (await _page(client))["items"]] == [1]


@pytest.mark.parametrize("after", ["x", "1", "01-1", "1-1 ", "-1-1", "18446744073709551616-1", "1-9223372036854775808"])
async def test_what_is_no_position_is_refused(client: aiohttp.ClientSession, after: str) -> None:
    text = f"{after!r} is no position of the feed of changes. Send `next` or `event` unchanged"
    assert await problem(await client.get("/v1/changes", params={"after": after})) == invalid(("/query/after", text))


async def test_rows_of_a_former_type_are_sent_as_they_were_kept(
    readings: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await readings.post("/v1/reading", json=READING)
    await database.execute('ALTER TABLE instrument_readings ALTER COLUMN "text" TYPE bigint USING 1')
    await shown(database)
    (item,) = (await _page(readings))["items"]
    assert (item["row"]["text"], item["row"]["whole"]) == ("x", 2**62)
