"""Deletions, restorations and references at the same time."""

import asyncio
from collections import Counter

import aiohttp
import asyncpg
from channel import latest
from kept import changes, create, delete, ids, restore


async def _status(request: "aiohttp.client._RequestContextManager") -> int:
    async with request as response:
        return response.status


async def test_of_a_hundred_deletions_and_restorations_each_is_one_change_or_none(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="p", name="P")
    position = await latest(kept, database)
    calls = [
        *(_status(kept.delete("/v1/patron/p")) for _ in range(50)),
        *(_status(kept.post("/v1/patron/p/restore")) for _ in range(50)),
    ]
    counts = Counter(await asyncio.gather(*calls))
    assert counts.keys() <= {204, 200, 404}
    found = [operation for operation, *_ in await changes(kept, database, position)]
    assert (found.count("delete"), found.count("create")) == (counts[204], counts[200])
    assert found == ["delete", "create"] * (len(found) // 2) + ["delete"] * (len(found) % 2)
    version, is_deleted = tuple(
        await database.fetchrow("SELECT row_version, deleted_at IS NOT NULL FROM patrons") or ()
    )
    assert (version, is_deleted) == (1 + len(found), len(found) % 2 == 1)


async def test_of_a_hundred_deletions_of_one_version_one_is_done(kept: aiohttp.ClientSession) -> None:
    await create(kept, "patron", id="p", name="P")
    headers = {"If-Match": '"1"'}
    counts = Counter(await asyncio.gather(*[_status(kept.delete("/v1/patron/p", headers=headers)) for _ in range(100)]))
    assert counts == {204: 1, 404: 99}


async def test_a_deletion_waits_for_a_row_that_comes_to_refer_and_sees_it(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="p", name="P")
    transaction = database.transaction()
    await transaction.start()
    await database.execute("INSERT INTO bills (patron_id) VALUES ('p')")
    deletion = asyncio.create_task(_status(kept.delete("/v1/patron/p")))
    await asyncio.sleep(0.3)
    assert not deletion.done()
    await transaction.commit()
    assert await deletion == 409
    assert await ids(kept, "patron") == ["p"]


async def test_a_row_waits_for_the_deletion_of_what_it_refers_to_and_sees_it(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="p", name="P")
    bill = await create(kept, "bill", patron_id="p")
    await delete(kept, f"bill/{bill}")
    transaction = database.transaction()
    await transaction.start()
    await database.execute("SELECT FROM patrons WHERE id = 'p' FOR UPDATE")
    await database.execute("UPDATE patrons SET deleted_at = now() WHERE id = 'p'")
    waiting = [
        asyncio.create_task(_status(kept.post("/v1/bill", json={"patron_id": "p"}))),
        asyncio.create_task(_status(kept.post(f"/v1/bill/{bill}/restore"))),
    ]
    await asyncio.sleep(0.3)
    assert not any(task.done() for task in waiting)
    await transaction.commit()
    assert await asyncio.gather(*waiting) == [409, 409]
    assert (await ids(kept, "bill"), await ids(kept, "bill", deleted=True)) == ([], [bill])


async def test_no_live_row_ever_refers_to_a_deleted_one_whatever_happens_at_once(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="p", name="P")

    async def refer() -> int:
        return await _status(kept.post("/v1/bill", json={"patron_id": "p"}))

    async def toggle() -> int:
        status = await _status(kept.delete("/v1/patron/p"))
        return status if status != 204 else await _status(kept.post("/v1/patron/p/restore"))

    async def forget() -> int:
        for bill in await ids(kept, "bill"):
            await _status(kept.delete(f"/v1/bill/{bill}"))
        return 200

    for _ in range(10):
        statuses = await asyncio.gather(*[call() for call in (refer, toggle, forget, toggle, refer)])
        assert set(statuses) <= {200, 201, 404, 409, 503}
        dangling = "SELECT count(*) FROM bills JOIN patrons ON patrons.id = patron_id WHERE bills.deleted_at IS NULL AND patrons.deleted_at IS NOT NULL"
        assert await database.fetchval(dangling) == 0
    if await ids(kept, "patron", deleted=True):
        await restore(kept, "patron/p")
    assert await ids(kept, "patron") == ["p"]
