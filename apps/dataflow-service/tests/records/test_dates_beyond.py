"""Dates and moments that Python has not, written by another program, are answered wherever rows are."""

import csv
import io
import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from channel import shown

ROWS = [
    ("infinity", "infinity"),
    ("294276-12-31T23:59:59.999999Z", "5874897-12-31"),
    ("10000-01-01T00:00:00Z", "10000-01-01"),
    ("9999-12-31T23:59:59.999999Z", "9999-12-31"),
    ("0001-01-01T00:00:00Z", "0001-01-01"),
    ("0001-12-31T23:59:59.999999Z BC", "0001-12-31 BC"),
    ("4714-11-24T00:00:00Z BC", "4714-11-24 BC"),
    ("-infinity", "-infinity"),
]
"""From the last to the first, with the ids 1 to 8."""


@pytest.fixture
async def beyond(sample_rows: aiohttp.ClientSession, database: asyncpg.Connection) -> aiohttp.ClientSession:
    """Client of a service with the rows."""
    values = ", ".join(f"('{moment}', '{day}')" for moment, day in ROWS)
    await database.execute(f"TRUNCATE samples RESTART IDENTITY; INSERT INTO samples (moment, day) VALUES {values}")  # noqa: S608 - texts of this file
    return sample_rows


async def _read(client: aiohttp.ClientSession, path: str, **query: str) -> bytes:
    async with client.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def _send(client: aiohttp.ClientSession, path: str, body: object) -> Any:  # noqa: ANN401 - any JSON value
    async with client.post(path, json=body) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def _times(rows: list[dict[str, Any]]) -> list[tuple[Any, Any]]:
    return [(row["moment"], row["day"]) for row in rows]


async def test_rows_lists_exports_and_nodes_answer_them_alike(beyond: aiohttp.ClientSession) -> None:
    rows = [await _read(beyond, f"/v1/sample/{number}") for number in range(1, 9)]
    assert _times([json.loads(row) for row in rows]) == ROWS
    assert await _read(beyond, "/v1/sample") == b'{"items":[%b],"next":null}' % b",".join(rows)
    assert (await _read(beyond, "/v1/sample/export")).splitlines() == rows
    cells = (await _read(beyond, "/v1/sample/export", format="csv", fields="moment,day")).decode()
    assert [tuple(record) for record in csv.reader(io.StringIO(cells))] == [("moment", "day"), *ROWS]
    for number, row in enumerate(rows, 1):
        path = "/v1/nodes/SampleReadNode/execute"
        async with beyond.post(path, json={"parameters": {"id": number}}) as response:
            assert await response.read() == row


async def test_a_change_of_such_a_row_is_answered_and_in_the_feed(
    beyond: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    answers = []
    for number in range(1, 9):
        async with beyond.patch(f"/v1/sample/{number}", json={"text": "x"}) as response:
            assert response.status == 200, await response.text()
            answers.append(await response.read())
    assert _times([json.loads(row) for row in answers]) == ROWS
    await shown(database)
    feed = await _read(beyond, "/v1/changes")
    assert [feed.count(b'"row":' + row) for row in answers] == [1] * 8


@pytest.mark.parametrize("field", ["moment", "day"])
async def test_they_are_ordered_and_pages_begin_behind_them(beyond: aiohttp.ClientSession, field: str) -> None:
    for order, expected in ((f"-{field}", list(range(1, 9))), (field, list(range(8, 0, -1)))):
        ids: list[int] = []
        after = None
        while True:
            body = {"order": order, "fields": "id", "limit": 1, "after": after}
            page = await _send(beyond, "/v1/sample/query", body)
            ids += [row["id"] for row in page["items"]]
            if (after := page["next"]) is None:
                break
        assert ids == expected


async def test_they_are_aggregated_and_grouped(beyond: aiohttp.ClientSession) -> None:
    aggregates = {"min": ["moment", "day"], "max": ["moment", "day"]}
    filters = {"id": {"$gt": 1, "$lt": 8}}
    page = await _send(beyond, "/v1/sample/query", {"filter": filters, "aggregates": aggregates})
    ((group),) = page["items"]
    assert _times([group["max"], group["min"]]) == [ROWS[1], ROWS[6]]
    found = []
    after = None
    while True:
        body = {"aggregates": {"count": "*"}, "group_by": ["moment", "day"], "limit": 1, "after": after}
        page = await _send(beyond, "/v1/sample/query", body)
        found += [group["group"] for group in page["items"]]
        if (after := page["next"]) is None:
            break
    assert _times(found) == ROWS[::-1]


async def test_callers_cannot_write_them(beyond: aiohttp.ClientSession) -> None:
    for moment, day in ROWS:
        if moment[:4] in {"9999", "0001"} and not moment.endswith("BC"):
            continue
        for body in ({"always": "x", "moment": moment}, {"always": "x", "day": day}):
            response = await beyond.post("/v1/sample", json=body)
            assert (response.status, (await problem(response))["type"]) == (422, "urn:nexus:problem:invalid-request")
