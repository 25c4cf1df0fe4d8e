"""Rows that refer to others: what is refused, and what happens to them when those are deleted."""

import asyncio
from typing import Any

import aiohttp
import asyncpg
from answers import problem
from channel import latest, shown

from dataflow_service.records.cascades import MAX_RELATED_ROWS

MISSING = (
    "The customer_id of a salesorder should be the id of a customer, and there is none with the id sent. Send the id of one "
    "that is there, or create the customer first."
)


async def _create(client: aiohttp.ClientSession, path: str, **row: object) -> Any:  # noqa: ANN401 - ids of any type
    response = await client.post(f"/v1/{path}", json=row)
    assert response.status == 201, await response.text()
    return (await response.json())["id"]


async def _ids(client: aiohttp.ClientSession, path: str) -> list[Any]:
    return [row["id"] for row in (await (await client.get(f"/v1/{path}")).json())["items"]]


async def _changes(client: aiohttp.ClientSession, database: asyncpg.Connection, after: str) -> list[Any]:
    await shown(database)
    items = (await (await client.get(f"/v1/changes?after={after}")).json())["items"]
    return [(change["op"], change["model"], change["id"]) for change in items]


async def test_a_row_that_refers_to_none_is_refused_and_names_the_field(shop: aiohttp.ClientSession) -> None:
    expected = {
        "type": "urn:nexus:problem:no-related-row",
        "title": "A related row is missing",
        "status": 409,
        "detail": MISSING,
        "fields": ["customer_id"],
    }
    assert await problem(await shop.post("/v1/salesorder", json={"customer_id": "none"})) == expected
    await _create(shop, "customer", id="c", name="C")
    order = await _create(shop, "salesorder", customer_id="c")
    assert await problem(await shop.patch(f"/v1/salesorder/{order}", json={"customer_id": "none"})) == expected
    assert await problem(await shop.put(f"/v1/salesorder/{order}", json={"customer_id": "none"})) == expected
    rows = [{"customer_id": "c"}, {"customer_id": "none"}]
    refused = await problem(await shop.post("/v1/salesorder/bulk", json=rows))
    assert refused == {**expected, "errors": [{"pointer": "/body/1/customer_id", "detail": MISSING}]}
    node = {"node": "SalesOrderCreateNode", "parameters": {"customer_id": "none"}}
    refused = await problem(await shop.post("/v1/transactions", json={"operations": [node]}))
    assert (refused["status"], refused["errors"]) == (409, [{"pointer": "/body/operations/0", "detail": MISSING}])
    assert len(await _ids(shop, "salesorder")) == 1


async def test_a_row_with_referring_rows_stays_where_they_restrict(shop: aiohttp.ClientSession) -> None:
    await _create(shop, "customer", id="c", name="C")
    await _create(shop, "customer", id="free", name="F")
    order = await _create(shop, "salesorder", customer_id="c")
    detail = (
        "Rows of salesorder refer by customer_id to the customer or to rows that would be deleted with it. Delete or change "
        "those rows first."
    )
    expected = {
        "type": "urn:nexus:problem:row-referenced",
        "title": "Other rows refer to the row",
        "status": 409,
        "detail": detail,
        "model": "salesorder",
        "fields": ["customer_id"],
    }
    assert await problem(await shop.delete("/v1/customer/c")) == expected
    rows = [{"id": "free"}, {"id": "c"}]
    refused = await problem(await shop.post("/v1/customer/bulk?operation=delete", json=rows))
    assert refused == {**expected, "errors": [{"pointer": "/body/1/id", "detail": detail}]}
    node = {"parameters": {"filter": {"id": {"$in": ["free", "c"]}}}}
    assert await problem(await shop.post("/v1/nodes/CustomerBulkDeleteNode/execute", json=node)) == expected
    assert await _ids(shop, "customer") == ["c", "free"]
    assert (await shop.delete(f"/v1/salesorder/{order}")).status == 204
    assert (await shop.delete("/v1/customer/c")).status == 204


async def test_rows_go_with_the_one_that_they_refer_to_and_the_changes_have_all_of_them(
    shop: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _create(shop, "customer", id="c", name="C")
    order, other = [await _create(shop, "salesorder", customer_id="c") for _ in range(2)]
    lines = [await _create(shop, "salesline", order_id=order) for _ in range(2)]
    kept = await _create(shop, "salesline", order_id=other)
    before = await latest(shop, database)
    assert (await shop.delete(f"/v1/salesorder/{order}")).status == 204
    assert await _ids(shop, "salesline") == [kept]
    assert sorted(await _changes(shop, database, before)) == [
        *(("delete", "salesline", line) for line in lines),
        ("delete", "salesorder", order),
    ]


async def test_a_restriction_behind_rows_that_would_go_keeps_all_of_them(
    shop: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _create(shop, "customer", id="c", name="C")
    order = await _create(shop, "salesorder", customer_id="c")
    line = await _create(shop, "salesline", order_id=order)
    remark = await _create(shop, "remark", line_id=line)
    before = await latest(shop, database)
    refused = await problem(await shop.delete(f"/v1/salesorder/{order}"))
    assert (refused["type"], refused["model"], refused["fields"]) == (
        "urn:nexus:problem:row-referenced",
        "remark",
        ["line_id"],
    )
    assert (await _ids(shop, "salesorder"), await _ids(shop, "salesline")) == ([order], [line])
    assert await _changes(shop, database, before) == []
    assert (await shop.delete(f"/v1/remark/{remark}")).status == 204
    assert (await shop.delete(f"/v1/salesorder/{order}")).status == 204


async def test_a_field_is_set_to_null_in_a_logged_change_with_a_new_version(
    shop: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _create(shop, "customer", id="c", name="C")
    order = await _create(shop, "salesorder", customer_id="c")
    article = await _create(shop, "article", title="A")
    line = await _create(shop, "salesline", order_id=order, article_id=article)
    before = await latest(shop, database)
    assert (await shop.delete(f"/v1/article/{article}")).status == 204
    response = await shop.get(f"/v1/salesline/{line}")
    assert ((await response.json())["article_id"], response.headers["ETag"]) == (None, '"2"')
    assert await _changes(shop, database, before) == [("delete", "article", article), ("update", "salesline", line)]


async def test_a_tree_goes_with_its_root(shop: aiohttp.ClientSession) -> None:
    rows = [
        {"id": "a"},
        {"id": "b", "parent_id": "a"},
        {"id": "c", "parent_id": "b"},
        {"id": "self", "parent_id": "self"},
    ]
    assert (await shop.post("/v1/folder/bulk", json=rows)).status == 201
    assert (await shop.delete("/v1/folder/a")).status == 204
    assert await _ids(shop, "folder") == ["self"]
    assert (await shop.delete("/v1/folder/self")).status == 204


async def test_rows_that_refer_to_each_other_are_deleted_together(
    shop: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _create(shop, "hen", id="h")
    await _create(shop, "egg", id="e", hen_id="h")
    assert (await shop.patch("/v1/hen/h", json={"egg_id": "e"})).status == 200
    before = await latest(shop, database)
    assert (await shop.delete("/v1/hen/h")).status == 204
    assert await _changes(shop, database, before) == [("delete", "hen", "h"), ("delete", "egg", "e")]


async def test_a_missing_row_deletes_nothing_and_a_stale_version_neither(shop: aiohttp.ClientSession) -> None:
    await _create(shop, "customer", id="c", name="C")
    order = await _create(shop, "salesorder", customer_id="c")
    line = await _create(shop, "salesline", order_id=order)
    assert (await shop.delete("/v1/salesorder/999")).status == 404
    assert (await shop.delete(f"/v1/salesorder/{order}", headers={"If-Match": '"7"'})).status == 412
    assert await _ids(shop, "salesline") == [line]


async def test_too_many_related_rows_are_refused_and_all_stay(
    shop: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _create(shop, "folder", id="root")
    await database.execute(
        "INSERT INTO folders (id, parent_id) SELECT 'f' || n, 'root' FROM generate_series(1, $1::int) AS n",
        MAX_RELATED_ROWS + 1,
    )
    refused = await problem(await shop.delete("/v1/folder/root"))
    assert (refused["status"], refused["type"], refused["limit"]) == (
        422,
        "urn:nexus:problem:too-many-related",
        MAX_RELATED_ROWS,
    )
    assert await database.fetchval("SELECT count(*) FROM folders") == MAX_RELATED_ROWS + 2
    await database.execute("DELETE FROM folders WHERE id = 'f1'")
    assert (await shop.delete("/v1/folder/root")).status == 204
    assert await database.fetchval("SELECT count(*) FROM folders") == 0


async def test_a_row_that_others_write_meanwhile_is_never_left_behind(
    shop: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _create(shop, "customer", id="c", name="C")
    order = await _create(shop, "salesorder", customer_id="c")
    transaction = database.transaction()
    await transaction.start()
    await database.execute("INSERT INTO sales_lines (order_id) VALUES ($1)", order)
    deletion = asyncio.create_task(_delete(shop, f"/v1/salesorder/{order}"))
    await asyncio.sleep(0.3)
    assert not deletion.done()
    await transaction.commit()
    assert await deletion == 204
    assert await _ids(shop, "salesline") == []


async def _delete(client: aiohttp.ClientSession, path: str) -> int:
    return (await client.delete(path)).status
