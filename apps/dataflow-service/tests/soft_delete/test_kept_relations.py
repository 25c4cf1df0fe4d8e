"""Relations from and to rows that are kept when they are deleted."""

from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from channel import latest
from kept import changes, create, delete, ids, restore

from dataflow_service.registry import loader
from nexus_chassis.errors import ConfigurationError

PATRON_MISSING = (
    "The patron_id of a {} should be the id of a patron, and there is none with the id sent. Send the id of one that is "
    "there, or create or restore the patron first."
)


def _missing(path: str) -> dict[str, Any]:
    return {
        "type": "urn:nexus:problem:no-related-row",
        "title": "A related row is missing",
        "status": 409,
        "detail": PATRON_MISSING.format(path),
        "fields": ["patron_id"],
    }


async def test_rows_of_both_kinds_go_with_a_kept_one_each_in_its_own_way(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="p", name="P")
    await create(kept, "patron", id="q", name="Q")
    deal, other = await create(kept, "deal", patron_id="p"), await create(kept, "deal", patron_id="q")
    chores = [await create(kept, "chore", deal_id=deal) for _ in range(2)]
    visit = await create(kept, "visit", patron_id="p")
    position = await latest(kept, database)
    await delete(kept, "patron/p")
    assert sorted(await changes(kept, database, position)) == [
        *(("delete", "chore", chore, []) for chore in chores),
        ("delete", "deal", deal, []),
        ("delete", "patron", "p", []),
        ("update", "visit", visit, ["patron_id"]),
    ]
    assert (await ids(kept, "deal"), await ids(kept, "deal", deleted=True)) == ([other], [deal])
    assert await database.fetchval("SELECT count(*) FROM chores") == 0
    marks = await database.fetchval(
        "SELECT count(DISTINCT deleted_at) FROM (TABLE patrons) AS p FULL JOIN deals USING (deleted_at)"
    )
    assert marks == 1
    await restore(kept, "patron/p")
    assert await ids(kept, "deal") == [other]
    await restore(kept, f"deal/{deal}")
    assert await ids(kept, "deal") == [deal, other]


async def test_a_live_row_keeps_what_it_refers_to_and_a_deleted_one_does_not(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="p", name="P")
    bill = await create(kept, "bill", patron_id="p")
    deal = await create(kept, "deal", patron_id="p")
    position = await latest(kept, database)
    refused = await problem(await kept.delete("/v1/patron/p"))
    detail = "Rows of bill refer by patron_id to the patron or to rows that would be deleted with it. Delete or change those rows first."
    assert refused == {
        "type": "urn:nexus:problem:row-referenced",
        "title": "Other rows refer to the row",
        "status": 409,
        "detail": detail,
        "model": "bill",
        "fields": ["patron_id"],
    }
    bulk = await problem(await kept.post("/v1/patron/bulk?operation=delete", json=[{"id": "p"}]))
    assert bulk == {**refused, "errors": [{"pointer": "/body/0/id", "detail": detail}]}
    assert (await ids(kept, "deal"), await changes(kept, database, position)) == ([deal], [])
    await delete(kept, f"bill/{bill}")
    await delete(kept, "patron/p")
    assert await problem(await kept.post(f"/v1/bill/{bill}/restore")) == _missing("bill")
    await restore(kept, "patron/p")
    await restore(kept, f"bill/{bill}")
    assert await ids(kept, "bill") == [bill]


async def test_no_row_comes_to_refer_to_a_deleted_one(kept: aiohttp.ClientSession) -> None:
    await create(kept, "patron", id="gone", name="G")
    await create(kept, "patron", id="here", name="H")
    deal = await create(kept, "deal", patron_id="here")
    await delete(kept, "patron/gone")
    row = {"patron_id": "gone"}
    assert await problem(await kept.post("/v1/deal", json=row)) == _missing("deal")
    assert await problem(await kept.patch(f"/v1/deal/{deal}", json=row)) == _missing("deal")
    assert await problem(await kept.put(f"/v1/deal/{deal}", json=row)) == _missing("deal")
    assert await problem(await kept.post("/v1/visit", json=row)) == _missing("visit")
    fault = {"pointer": "/body/1/patron_id", "detail": PATRON_MISSING.format("deal")}
    rows = [{"patron_id": "here"}, row]
    assert await problem(await kept.post("/v1/deal/bulk", json=rows)) == {**_missing("deal"), "errors": [fault]}
    rows = [{"id": deal, "patron_id": "here"}]
    other = await create(kept, "deal", patron_id="here")
    rows.append({"id": other, **row})
    refused = await problem(await kept.post("/v1/deal/bulk?operation=update", json=rows))
    assert refused == {**_missing("deal"), "errors": [fault]}
    for node, parameters in {
        "DealCreateNode": row,
        "DealBulkUpdateNode": {"filter": {"id": deal}, "fields": row},
        "DealBulkCreateNode": {"data": [row]},
    }.items():
        response = await kept.post(f"/v1/nodes/{node}/execute", json={"parameters": parameters})
        assert await problem(response) == _missing("deal")
    assert await ids(kept, "deal") == [deal, other]


async def test_a_deleted_row_is_listed_with_null_for_a_related_one_that_is_deleted_too(
    kept: aiohttp.ClientSession,
) -> None:
    await create(kept, "patron", id="p", name="P")
    deal = await create(kept, "deal", patron_id="p")
    row = await (await kept.get(f"/v1/deal/{deal}?expand=patron_id")).json()
    assert row["patron"]["deleted_at"] is None
    await delete(kept, "patron/p")
    assert (await kept.get(f"/v1/deal/{deal}?expand=patron_id")).status == 404
    (row,) = (await (await kept.get("/v1/deal?deleted=true&expand=patron_id")).json())["items"]
    assert (row["id"], row["patron_id"], row["patron"]) == (deal, "p", None)


async def test_a_region_that_goes_for_good_leaves_kept_rows_without_it_deleted_ones_too(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "region", id="r")
    for store in ("a", "b"):
        await create(kept, "store", id=store, region_id="r")
    await delete(kept, "store/b")
    position = await latest(kept, database)
    await delete(kept, "region/r")
    assert sorted(await changes(kept, database, position)) == [
        ("delete", "region", "r", []),
        ("update", "store", "a", ["region_id"]),
    ]
    response = await kept.post("/v1/store/b/restore")
    assert ((await response.json())["region_id"], response.headers["ETag"]) == (None, '"4"')


async def test_a_region_stays_as_long_as_a_lease_could_be_restored_that_needs_it(kept: aiohttp.ClientSession) -> None:
    await create(kept, "region", id="r")
    lease = await create(kept, "lease", region_id="r")
    await delete(kept, f"lease/{lease}")
    refused = await problem(await kept.delete("/v1/region/r"))
    assert (refused["status"], refused["model"], refused["detail"]) == (
        409,
        "lease",
        (
            "Rows of lease refer by region_id to the region or to rows that would be deleted with it. Delete or change those rows "
            "first; deleted ones that could be restored count too."
        ),
    )
    await restore(kept, f"lease/{lease}")
    assert await ids(kept, "region") == ["r"]


async def test_a_kept_tree_goes_with_its_root_and_a_row_may_refer_to_itself(kept: aiohttp.ClientSession) -> None:
    rows = [{"id": "a"}, {"id": "b", "below_id": "a"}, {"id": "c", "below_id": "b"}, {"id": "self", "below_id": "self"}]
    assert (await kept.post("/v1/shelf/bulk", json=rows)).status == 201
    await delete(kept, "shelf/a")
    await delete(kept, "shelf/self")
    assert (await ids(kept, "shelf"), await ids(kept, "shelf", deleted=True)) == ([], ["a", "b", "c", "self"])
    assert (await kept.post("/v1/shelf/c/restore")).status == 409
    for name in ("self", "a", "b", "c"):
        await restore(kept, f"shelf/{name}")
    assert await ids(kept, "shelf") == ["a", "b", "c", "self"]


@pytest.mark.parametrize(
    ("package", "reason"),
    [
        (
            "kept_with_fleeting",
            "deletes rows that are kept together with one that is not: Voucher has soft delete, Booth has not",
        ),
        (
            "kept_for_all_tenants",
            "leads to rows with soft delete that tenants share, and no tenant sees all rows that refer to one",
        ),
    ],
)
@pytest.mark.usefixtures("model_packages")
def test_a_relation_that_soft_delete_cannot_hold_stops_the_start(package: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        loader.load(package)
