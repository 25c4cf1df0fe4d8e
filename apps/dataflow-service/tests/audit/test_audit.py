"""GET /v1/audit: who changed what, when, and by which token."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import invalid, problem
from channel import shown
from conftest import MakeSettings, serving_client

from dataflow_service.audit import repository as audit_log
from dataflow_service.audit import service as audit
from dataflow_service.audit.query import AuditQuery
from nexus_testkit import Issuer

type ClientOf = Callable[..., AbstractAsyncContextManager[aiohttp.ClientSession]]
SCOPES = {"data:read", "data:write", "data:admin"}


@pytest.fixture
def client_of(service: str, issuer: Issuer) -> ClientOf:
    """Makes clients of the service with tokens that have the claims given."""

    def make(**claims: Any) -> aiohttp.ClientSession:  # noqa: ANN401 - any claim
        token = issuer.mint("dataflow-service", SCOPES, **claims)
        return aiohttp.ClientSession(service, headers={"Authorization": f"Bearer {token}"})

    return make


@pytest.fixture
async def auditor(client_of: ClientOf, database: asyncpg.Connection) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of an auditor, with an empty log."""
    await database.execute("TRUNCATE changes, change_sets")
    async with client_of(subject="auditor") as session:
        yield session


async def _page(auditor: aiohttp.ClientSession, **query: str) -> dict[str, Any]:
    response = await auditor.get("/v1/audit", params=query)
    assert response.status == 200, await response.text()
    page: dict[str, Any] = await response.json()
    return page


async def _ids(auditor: aiohttp.ClientSession, **query: str) -> list[object]:
    return [item["id"] for item in (await _page(auditor, **query))["items"]]


async def test_a_change_says_who_made_it_and_by_which_token(
    client_of: ClientOf, auditor: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    act = {"sub": "agent", "act": {"sub": "gateway"}}
    async with client_of(subject="bob", client_id="shop", jti="token-7", sid="session-3", act=act) as bob:
        created = await (await bob.post("/v1/product", json={"name": "a"})).json()
    async with client_of(subject="eve", client_id="desk", jti="token-8") as eve:
        await eve.delete("/v1/product/1")
    await shown(database)
    page = await _page(auditor)
    positions = [item.pop("event") for item in page["items"]]
    moments = [datetime.fromisoformat(item.pop("at")) for item in page["items"]]
    changed = page["items"][1].pop("changed")
    assert page == {
        "items": [
            {
                "model": "product",
                "op": "delete",
                "id": 1,
                "changed": [],
                "row": None,
                "author": {"subject": "eve", "client_id": "desk", "token_id": "token-8", "session": None, "actor": []},
            },
            {
                "model": "product",
                "op": "create",
                "id": 1,
                "row": created,
                "author": {
                    "subject": "bob",
                    "client_id": "shop",
                    "token_id": "token-7",
                    "session": "session-3",
                    "actor": ["agent", "gateway"],
                },
            },
        ],
        "next": None,
    }
    assert "name" in changed
    assert moments == sorted(moments, reverse=True)
    feed = (await (await auditor.get("/v1/changes")).json())["items"]
    assert [item["event"] for item in feed] == positions[::-1]


async def test_the_changes_of_a_row_are_found_by_an_index(
    auditor: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    assert auditor
    await database.execute(MANY)
    await database.execute("ANALYZE changes, change_sets")
    recorder = Recorder(database)
    query = AuditQuery(tenant="default", limit=100, model="product", row="77")
    entries, more = await audit_log.read_page(recorder, query, max_bytes=2**20)  # type: ignore[arg-type] # what it uses of one
    assert ([entry.change.row_id for entry in entries], more) == (["77"] * 4, False)
    assert "Index Scan on changes_row_idx" in recorder.plan
    assert "Seq Scan on changes" not in recorder.plan


class Recorder:
    """A connection that notes the plan of what it fetches."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.plan = ""

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        self.plan = "\n".join(row[0] for row in await self._connection.fetch(f"EXPLAIN {statement}", *arguments))
        return await self._connection.fetch(statement, *arguments)


MANY = """
INSERT INTO change_sets (model, operation, changed, tenant, author)
SELECT 'product', 'update', '{name}', 'default', '{}' FROM generate_series(1, 20000);
INSERT INTO changes (xid, set_id, row_id)
SELECT '1', id, id % 5000 FROM change_sets WHERE author = '{}'
"""


async def test_pages_have_each_change_once_the_newest_first(
    auditor: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await auditor.post("/v1/product/bulk", json=[{"name": f"n{number}"} for number in range(5)])
    await auditor.patch("/v1/product/2", json={"name": "x"})
    await shown(database)
    found: list[object] = []
    query = {"limit": "2"}
    while True:
        page = await _page(auditor, **query)
        found += [item["id"] for item in page["items"]]
        await auditor.post("/v1/product", json={"name": "later"})
        if page["next"] is None:
            break
        assert len(page["items"]) == 2
        query["after"] = page["next"]
    assert found == [2, 5, 4, 3, 2, 1]


async def test_a_page_ends_early_when_it_is_large(
    auditor: aiohttp.ClientSession, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MAX_PAGE_BYTES", 3000)
    await auditor.post("/v1/product/bulk", json=[{"name": "a", "description": "d" * 1000}] * 5)
    await shown(database)
    first = await _page(auditor)
    assert [item["id"] for item in first["items"]] == [5, 4, 3]
    second = await _page(auditor, after=first["next"])
    assert ([item["id"] for item in second["items"]], second["next"]) == ([2, 1], None)


async def test_changes_are_those_of_a_model_a_row_a_subject_and_a_time(
    client_of: ClientOf, auditor: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with client_of(subject="bob") as bob:
        for number in range(3):
            await bob.post("/v1/product", json={"name": f"n{number}"})
    await auditor.patch("/v1/product/2", json={"name": "x"})
    await shown(database)
    items = (await _page(auditor))["items"]
    assert await _ids(auditor, model="product") == [2, 3, 2, 1]
    assert await _ids(auditor, model="supplier") == []
    assert await _ids(auditor, model="product", row="2") == [2, 2]
    assert await _ids(auditor, model="product", row="02") == []
    assert await _ids(auditor, subject="bob") == [3, 2, 1]
    assert await _ids(auditor, subject="bob", model="product", row="2") == [2]
    assert await _ids(auditor, since=items[2]["at"]) == [2, 3, 2]
    assert await _ids(auditor, until=items[2]["at"]) == [1]
    assert await _ids(auditor, since=items[2]["at"], until=items[1]["at"]) == [2]
    offset = (datetime.fromisoformat(items[1]["at"]) + timedelta(hours=2)).isoformat().replace("+00:00", "+02:00")
    assert await _ids(auditor, since=offset) == [2, 3]


async def test_other_tenants_are_not_shown(
    client_of: ClientOf, auditor: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with client_of(tenant="acme") as acme, client_of(tenant="default") as default:
        for number, client in enumerate((acme, default, auditor)):
            await client.post("/v1/product", json={"name": f"n{number}"})
        await shown(database)
        names = [
            [item["row"]["name"] for item in (await _page(client))["items"]] for client in (acme, default, auditor)
        ]
        assert await _ids(acme, subject="auditor") == []
    assert names == [["n0"], ["n2", "n1"], ["n2", "n1"]]


async def test_a_change_is_not_shown_while_an_older_transaction_runs(
    auditor: aiohttp.ClientSession, database: asyncpg.Connection, postgres_url: str
) -> None:
    other = await asyncpg.connect(postgres_url)
    await other.execute("BEGIN; SELECT pg_current_xact_id()")
    await auditor.post("/v1/product", json={"name": "a"})
    assert await _ids(auditor) == []
    await other.close()
    await shown(database)
    assert await _ids(auditor) == [1]


@pytest.mark.parametrize(
    ("query", "faults"),
    [
        ("row=1", [("/query/row", "is the id of a row of a model; name the `model` too")]),
        ("after=x", [("/query/after", "'x' is no position of the feed of changes. Send `next` or `event` unchanged")]),
        (
            "since=yesterday&until=2026-02-30T00:00:00Z",
            [
                (
                    "/query/since",
                    "should be a date and time with its offset from UTC, such as 2026-02-03T04:05:06.789Z",
                ),
                (
                    "/query/until",
                    "is no date and time that exists: day is out of range for month",
                ),
            ],
        ),
        ("limit=1001", [("/query/limit", "Input should be less than or equal to 1000")]),
        (
            "subject=%00",
            [("/query/subject", "contains the character U+0000, which PostgreSQL cannot store; leave it out")],
        ),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    auditor: aiohttp.ClientSession, query: str, faults: list[tuple[str, str]]
) -> None:
    response = await auditor.get(f"/v1/audit?{query}")
    assert (response.status, await problem(response)) == (422, invalid(*faults))


async def test_unknown_parameters_are_refused(auditor: aiohttp.ClientSession) -> None:
    response = await auditor.get("/v1/audit?tenant=acme")
    assert (response.status, (await problem(response))["detail"]) == (
        400,
        "There is no query parameter 'tenant'. Known are: after, limit, model, row, since, subject, until.",
    )


async def test_the_audit_is_for_administrators_of_data(client: aiohttp.ClientSession, service: str) -> None:
    assert (await client.get("/v1/audit")).status == 403
    async with aiohttp.ClientSession(service) as stranger:
        assert (await stranger.get("/v1/audit")).status == 401


@pytest.fixture
async def impatient(make_settings: MakeSettings, issuer: Issuer) -> AsyncIterator[aiohttp.ClientSession]:
    """Client of a service whose reads may take 0.3 s."""
    async with serving_client(make_settings(read_seconds=0.3), issuer.mint("dataflow-service", SCOPES)) as session:
        yield session


async def test_a_page_that_takes_too_long_is_a_problem(
    impatient: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    async with database.transaction():
        await database.execute("LOCK TABLE changes IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(20):
            response = await impatient.get("/v1/audit")
    assert (response.status, (await problem(response))["type"]) == (503, "urn:nexus:problem:query-timeout")
