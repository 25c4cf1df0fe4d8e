"""Deleted rows of models with soft delete: they are nowhere but in the list of deleted rows, until they are restored."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from channel import latest, shown
from kept import changes, create, delete, ids, restore

from nexus_testkit import Issuer

FILTER = '{"name":{"$like":"%"}}'
UNKNOWN = {
    "type": "urn:nexus:problem:no-such-row",
    "title": "There is no such row",
    "status": 404,
    "detail": "There is no patron with the id gone.",
}
NOTHING_DELETED = {**UNKNOWN, "detail": "There is no deleted patron with the id gone."}


async def _get(client: aiohttp.ClientSession, path: str) -> Any:  # noqa: ANN401 - any JSON
    response = await client.get(path)
    assert response.status == 200, await response.text()
    return await response.json()


async def _run(client: aiohttp.ClientSession, node: str, **parameters: object) -> aiohttp.ClientResponse:
    return await client.post(f"/v1/nodes/Patron{node}Node/execute", json={"parameters": parameters})


@pytest.fixture
async def gone(kept: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """A client of a service with one patron, `here`, and one that was deleted, `gone`."""
    await create(kept, "patron", id="gone", name="G", email="g@x.y")
    await create(kept, "patron", id="here", name="H", email="h@x.y")
    await delete(kept, "patron/gone")
    return kept


async def test_a_deleted_row_is_in_no_answer(gone: aiohttp.ClientSession) -> None:
    rows = (await _get(gone, "/v1/patron"))["items"]
    assert [(row["id"], row["deleted_at"]) for row in rows] == [("here", None)]
    assert list(rows[0]) == ["id", "name", "email", "created_at", "updated_at", "deleted_at"]
    assert await _get(gone, f"/v1/patron/count?filter={FILTER}") == {"count": 1}
    query = {"aggregates": {"count": "*", "max": ["name"]}, "filter": {"$or": [{"id": "gone"}, {"id": "here"}]}}
    groups = await (await gone.post("/v1/patron/query", json=query)).json()
    assert groups["items"] == [{"group": {}, "count": {"*": 1}, "max": {"name": "H"}}]
    query = {"filter": {"$not": {"id": "here"}}}
    assert (await (await gone.post("/v1/patron/query", json=query)).json())["items"] == []
    query = {"filter": {"deleted_at": {"$null": False}}}
    assert (await (await gone.post("/v1/patron/query", json=query)).json())["items"] == []
    exported = await (await gone.get("/v1/patron/export")).text()
    assert [json.loads(line)["id"] for line in exported.splitlines()] == ["here"]
    assert "G" not in await (await gone.get("/v1/patron/export?format=csv&fields=name")).text()
    assert ">gone<" not in await (await gone.get("/pages/models/Patron/rows")).text()
    assert await problem(await gone.get("/v1/patron/gone")) == UNKNOWN
    assert await problem(await gone.get("/v1/patron/gone?expand=")) != {}
    for node, parameters in {
        "Read": {"id": "gone"},
        "Update": {"id": "gone", "name": "n"},
        "Delete": {"id": "gone"},
    }.items():
        assert await problem(await _run(gone, node, **parameters)) == UNKNOWN
    assert await (await _run(gone, "Count")).json() == {"count": 1}
    assert [row["id"] for row in (await (await _run(gone, "List")).json())["items"]] == ["here"]


async def test_a_deleted_row_is_not_changed_and_not_deleted_again(
    gone: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    before = await database.fetchrow("SELECT * FROM patrons WHERE id = 'gone'")
    position = await latest(gone, database)
    assert await problem(await gone.patch("/v1/patron/gone", json={"name": "n"})) == UNKNOWN
    assert await problem(await gone.delete("/v1/patron/gone")) == UNKNOWN
    for header in ('"1"', '"2"', "*"):
        assert await problem(await gone.delete("/v1/patron/gone", headers={"If-Match": header})) == UNKNOWN
    for operation, row in {"update": {"id": "gone", "name": "n"}, "delete": {"id": "gone"}}.items():
        refused = await problem(await gone.post(f"/v1/patron/bulk?operation={operation}", json=[row]))
        assert refused == {**UNKNOWN, "errors": [{"pointer": "/body/0/id", "detail": UNKNOWN["detail"]}]}
    everything = {"filter": {"$or": [{"id": "gone"}, {"name": "none"}]}}
    assert await (await _run(gone, "BulkDelete", **everything)).json() == {"deleted": 0, "ids": []}
    assert await (await _run(gone, "BulkUpdate", **everything, fields={"name": "n"})).json() == {
        "updated": 0,
        "ids": [],
    }
    node = {"node": "PatronDeleteNode", "parameters": {"id": "gone"}}
    assert (await gone.post("/v1/transactions", json={"operations": [node]})).status == 404
    assert await database.fetchrow("SELECT * FROM patrons WHERE id = 'gone'") == before
    assert await changes(gone, database, position) == []


async def test_deleted_rows_are_listed_for_those_who_may_write_and_say_since_when(
    gone: aiohttp.ClientSession, issuer: Issuer
) -> None:
    await create(gone, "patron", id="later", name="L")
    await delete(gone, "patron/later")
    items = (await _get(gone, "/v1/patron?deleted=true&order=-deleted_at&limit=1"))["items"]
    assert [row["id"] for row in items] == ["later"]
    first = await _get(gone, "/v1/patron?deleted=true&order=deleted_at&limit=1")
    second = await _get(gone, f"/v1/patron?deleted=true&order=deleted_at&limit=1&after={first['next']}")
    assert [row["id"] for row in first["items"] + second["items"]] == ["gone", "later"]
    assert (second["next"], second["items"][0]["deleted_at"]) == (None, items[0]["deleted_at"])
    assert await ids(gone, "patron", deleted=True) == ["gone", "later"]
    reader = {"Authorization": f"Bearer {issuer.mint('dataflow-service', {'data:read'})}"}
    response = await gone.get("/v1/patron?deleted=true", headers=reader)
    assert (response.status, (await problem(response))["missing_scopes"]) == (403, ["data:write"])
    response = await gone.post("/v1/patron/gone/restore", headers=reader)
    assert (response.status, (await problem(response))["missing_scopes"]) == (403, ["data:write"])


async def test_a_model_without_soft_delete_has_no_deleted_rows(gone: aiohttp.ClientSession) -> None:
    await create(gone, "region", id="r")
    await delete(gone, "region/r")
    text = "belongs to models with soft delete, and Region has none; leave it out"
    assert await problem(await gone.get("/v1/region?deleted=true")) == invalid(("/query/deleted", text))
    assert await _get(gone, "/v1/region?deleted=false") == {"items": [], "next": None}
    assert (await gone.post("/v1/region/r/restore")).status == 404


async def test_a_restored_row_is_the_same_but_for_its_version_and_the_time_of_the_change(
    kept: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await create(kept, "patron", id="gone", name="G", email="g@x.y")
    before = await _get(kept, "/v1/patron/gone")
    await delete(kept, "patron/gone")
    response = await kept.post("/v1/patron/gone/restore")
    assert (response.status, response.headers["ETag"]) == (200, '"3"')
    restored = await response.read()
    row = json.loads(restored)
    assert row == {**before, "updated_at": row["updated_at"]}
    read = await kept.get("/v1/patron/gone")
    assert (await read.read(), read.headers["ETag"]) == (restored, '"3"')
    assert await (await _run(kept, "Read", id="gone")).read() == restored
    assert await (await kept.get("/v1/patron/export")).read() == restored + b"\n"
    await shown(database)
    feed = await (await kept.get("/v1/changes")).read()
    assert b'"row":' + restored in feed
    assert await problem(await kept.post("/v1/patron/gone/restore")) == NOTHING_DELETED
    assert (await kept.patch("/v1/patron/gone", json={"name": "n"}, headers={"If-Match": '"1"'})).status == 412


async def test_feed_and_audit_have_a_deletion_and_a_new_row_that_a_restoration_made(
    kept: aiohttp.ClientSession, issuer: Issuer, database: asyncpg.Connection
) -> None:
    position = await latest(kept, database)
    await create(kept, "patron", id="gone", name="G")
    await delete(kept, "patron/gone")
    await restore(kept, "patron/gone")
    expected = [
        ("create", "patron", "gone", ["name", "email"]),
        ("delete", "patron", "gone", []),
        ("create", "patron", "gone", ["deleted_at"]),
    ]
    assert await changes(kept, database, position) == expected
    items = (await _get(kept, f"/v1/changes?after={position}"))["items"]
    assert [item["row"] and item["row"]["deleted_at"] for item in items] == [None, None, None]
    assert (items[1]["row"], items[2]["row"]["name"]) == (None, "G")
    auditor = {"Authorization": f"Bearer {issuer.mint('dataflow-service', {'data:admin'})}"}
    audit = await (await kept.get("/v1/audit?model=patron&row=gone", headers=auditor)).json()
    assert [(item["op"], item["changed"]) for item in audit["items"]] == [(op, names) for op, _, _, names in expected][
        ::-1
    ]


async def test_if_match_holds_for_deletions(kept: aiohttp.ClientSession) -> None:
    await create(kept, "patron", id="p", name="P")
    refused = await kept.delete("/v1/patron/p", headers={"If-Match": '"7"'})
    assert (refused.status, (await problem(refused))["etag"]) == (412, '"1"')
    assert (await kept.delete("/v1/patron/p", headers={"If-Match": '"7", "1"'})).status == 204
    assert await ids(kept, "patron") == []


async def test_a_unique_value_of_a_deleted_row_is_free_and_a_restoration_needs_it(gone: aiohttp.ClientSession) -> None:
    await create(gone, "patron", id="next", name="N", email="g@x.y")
    refused = await problem(await gone.post("/v1/patron/gone/restore"))
    assert (refused["type"], refused["fields"]) == ("urn:nexus:problem:not-unique", ["email"])
    taken = await problem(await gone.post("/v1/patron", json={"id": "more", "name": "M", "email": "g@x.y"}))
    assert (taken["status"], taken["fields"]) == (409, ["email"])
    await delete(gone, "patron/next")
    await restore(gone, "patron/gone")
    assert await ids(gone, "patron") == ["gone", "here"]
    assert await ids(gone, "patron", deleted=True) == ["next"]


async def test_an_upsert_onto_the_unique_value_of_a_deleted_row_makes_a_new_one(gone: aiohttp.ClientSession) -> None:
    row = {"id": "one", "name": "1", "email": "g@x.y"}
    made = await gone.post("/v1/patron/upsert?on=email", json=row)
    assert (made.status, (await made.json())["id"]) == (201, "one")
    changed = await gone.post("/v1/patron/upsert?on=email", json={**row, "id": "two", "name": "2"})
    assert (changed.status, (await changed.json())["id"], (await changed.json())["name"]) == (200, "one", "2")
    await delete(gone, "patron/one")
    rows = [{"id": "three", "name": "3", "email": "g@x.y"}, {"id": "four", "name": "4", "email": "h@x.y"}]
    bulk = await gone.post("/v1/patron/bulk?operation=upsert&on=email", json=rows)
    assert await bulk.json() == {"created": 1, "updated": 1, "ids": ["three", "here"]}
    node = await _run(gone, "BulkUpsert", data=rows, conflict_on=["email"])
    assert await node.json() == {"created": 0, "updated": 2, "ids": ["three", "here"]}
    assert await ids(gone, "patron", deleted=True) == ["gone", "one"]


ID_TAKEN = "Another patron has the same id, gone. Send another value, or change the row that has it; if it is deleted, restore it first."


async def test_an_upsert_waits_for_the_migration_that_makes_its_index(
    gone: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("DROP INDEX patrons_email_key")
    response = await gone.post("/v1/patron/upsert?on=email", json={"id": "n", "name": "n", "email": "n@x.y"})
    assert (response.status, (await problem(response))["type"]) == (503, "urn:nexus:problem:not-migrated")


async def test_the_id_of_a_deleted_row_stays_taken_and_its_content_stays(
    gone: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    before = await database.fetchrow("SELECT * FROM patrons WHERE id = 'gone'")
    expected = {
        "type": "urn:nexus:problem:not-unique",
        "title": "The value is taken",
        "status": 409,
        "detail": ID_TAKEN,
        "fields": ["id"],
    }
    row = {"id": "gone", "name": "new"}
    assert await problem(await gone.post("/v1/patron", json=row)) == expected
    assert await problem(await gone.put("/v1/patron/gone", json=row)) == expected
    assert await problem(await gone.post("/v1/patron/upsert?on=id", json=row)) == expected
    assert await problem(await gone.post("/v1/patron/upsert?on=email", json={**row, "email": "n@x.y"})) == expected
    assert await problem(await gone.put("/v1/patron/gone", json=row, headers={"If-Match": "*"})) == UNKNOWN
    rows = [{"id": "here", "name": "h"}, row]
    text = ID_TAKEN.replace(", gone.", ".")
    for operation, sent in {"upsert&on=id": rows, "create": [row]}.items():
        refused = await problem(await gone.post(f"/v1/patron/bulk?operation={operation}", json=sent))
        assert (refused["status"], refused["fields"], refused["detail"]) == (409, ["id"], text)
        assert refused["errors"] == [{"pointer": f"/body/{len(sent) - 1}/id", "detail": text}]
    assert (
        await problem(await _run(gone, "Upsert", where={"id": "gone"}, create={"name": "n"}, update={"name": "n"}))
        == expected
    )
    assert await database.fetchrow("SELECT * FROM patrons WHERE id = 'gone'") == before
    assert (await _get(gone, "/v1/patron/here"))["name"] == "H"


async def test_the_service_alone_says_when_a_row_was_deleted(gone: aiohttp.ClientSession) -> None:
    row = {"id": "n", "name": "n", "deleted_at": "2026-02-03T04:05:06Z"}
    fault = invalid(("/body/deleted_at", "is set by the service; leave it out"))
    assert await problem(await gone.post("/v1/patron", json=row)) == fault
    assert await problem(await gone.put("/v1/patron/here", json={**row, "id": "here"})) == fault
    assert await problem(await gone.patch("/v1/patron/here", json={"deleted_at": None})) == fault
    listed = await (await gone.get("/v1/nodes")).json()
    parameters = {item["node"]: item["parameters"] for item in listed["items"]}
    assert [name for name in parameters if "deleted_at" in parameters[name]] == []
    described = await _get(gone, "/v1/models/Deal")
    assert described["soft_delete"]
    assert described["fields"][-1] == {
        "name": "deleted_at",
        "type": "timestamptz",
        "required": False,
        "nullable": True,
        "read_only": True,
    }


async def test_the_document_has_restorations_and_deleted_rows_of_models_with_soft_delete_alone(
    kept: aiohttp.ClientSession,
) -> None:
    document = await (await kept.get("/openapi.json")).json()
    assert [path for path in document["paths"] if path.endswith("/restore")] == [
        f"/v1/{name}/{{row_id}}/restore" for name in ("bill", "deal", "lease", "patron", "shelf", "store")
    ]
    names = {
        path: [one["name"] for one in document["paths"][path]["get"]["parameters"]]
        for path in ("/v1/patron", "/v1/region")
    }
    assert ["deleted" in names[path] for path in names] == [True, False]
    operation = document["paths"]["/v1/patron/{row_id}/restore"]["post"]
    assert operation["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Patron"
    }
    assert "deleted_at" not in document["components"]["schemas"]["PatronValues"]["properties"]


async def test_a_repeated_request_has_its_answer_whatever_happened_to_the_row(kept: aiohttp.ClientSession) -> None:
    headers = {"Idempotency-Key": "create-1"}
    first = await kept.post("/v1/patron", json={"id": "p", "name": "P"}, headers=headers)
    await delete(kept, "patron/p")
    again = await kept.post("/v1/patron", json={"id": "p", "name": "P"}, headers=headers)
    assert (again.status, await again.read(), again.headers["Idempotent-Replayed"]) == (201, await first.read(), "true")
    assert await ids(kept, "patron") == []
    headers = {"Idempotency-Key": "restore-1"}
    restored = await kept.post("/v1/patron/p/restore", headers=headers)
    await delete(kept, "patron/p")
    again = await kept.post("/v1/patron/p/restore", headers=headers)
    assert (again.status, await again.read(), again.headers["ETag"]) == (200, await restored.read(), '"3"')
    assert await ids(kept, "patron") == []
    reused = await problem(await kept.post("/v1/patron/other/restore", headers=headers))
    assert reused["type"] == "urn:nexus:problem:idempotency-key-reused"


async def test_a_transaction_deletes_for_itself_and_frees_what_it_has_deleted(kept: aiohttp.ClientSession) -> None:
    await create(kept, "patron", id="old", name="O", email="e@x.y")
    operations = [
        {"node": "PatronDeleteNode", "parameters": {"id": "old"}},
        {"node": "PatronCreateNode", "parameters": {"id": "new", "name": "N", "email": "e@x.y"}},
    ]
    response = await kept.post("/v1/transactions", json={"operations": operations})
    assert (await response.json())["results"][0] == {"deleted": True, "id": "old"}
    assert (await ids(kept, "patron"), await ids(kept, "patron", deleted=True)) == (["new"], ["old"])
    undone = [
        operations[1] | {"parameters": {"id": "x", "name": "X"}},
        {"node": "PatronDeleteNode", "parameters": {"id": "none"}},
    ]
    assert (await kept.post("/v1/transactions", json={"operations": undone})).status == 404
    assert await ids(kept, "patron") == ["new"]


async def test_a_deleted_row_of_a_tenant_is_none_of_another_one(gone: aiohttp.ClientSession, issuer: Issuer) -> None:
    token = issuer.mint("dataflow-service", {"data:read", "data:write"}, tenant="acme")
    other = {"Authorization": f"Bearer {token}"}
    assert await (await gone.get("/v1/patron?deleted=true", headers=other)).json() == {"items": [], "next": None}
    assert await problem(await gone.post("/v1/patron/gone/restore", headers=other)) == NOTHING_DELETED
    assert await problem(await gone.post("/v1/patron/here/restore", headers=other)) == {
        **NOTHING_DELETED,
        "detail": "There is no deleted patron with the id here.",
    }
    row = {"id": "gone", "name": "mine", "email": "g@x.y"}
    assert (await gone.put("/v1/patron/gone", json=row, headers=other)).status == 201
    assert await ids(gone, "patron", deleted=True) == ["gone"]
