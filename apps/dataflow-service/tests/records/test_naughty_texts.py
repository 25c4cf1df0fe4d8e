"""Naughty texts are data, and the same row has the same bytes by node, by its endpoint, in lists, bulk, exports and feed."""

import csv
import io
import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from channel import shown
from naughty import NAUGHTY
from streams import CSV, NDJSON, ndjson

EXACT = {
    "whole": [2**63 - 1, -(2**63), 0],
    "real": [5e-324, 1.7976931348623157e308, 0.1],
    "exact": ["12345678901234567890123456789012345678", "-0.99999999999999999999999999999999999999", "0"],
    "moment": [
        *("2026-03-29T00:59:59.999999Z", "2026-03-29T01:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
        *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    ],
    "document": [{}, {"a": []}, {"a": {"b": [[], {}, None]}}, {"n": 9223372036854775807}],
}


@pytest.fixture
async def client(no_samples: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Client of a service without rows."""
    return no_samples


def _rows() -> list[dict[str, Any]]:
    """A row for each text, with the other values in turn."""
    return [
        {"text": text, "always": text}
        | {name: values[place % len(values)] for name, values in EXACT.items()}
        | ({"document": {text: [text, {"x": text}]}} if place % 2 else {})
        for place, text in enumerate(NAUGHTY)
    ]


async def _read(client: aiohttp.ClientSession, path: str, **query: str) -> bytes:
    async with client.get(path, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def _post(client: aiohttp.ClientSession, path: str, body: object, status: int = 200) -> bytes:
    async with client.post(path, json=body) as response:
        assert response.status == status, await response.text()
        return await response.read()


async def _texts(database: asyncpg.Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in await database.fetch("SELECT text, always FROM samples ORDER BY id")]


async def test_a_row_has_the_same_bytes_wherever_it_is_answered(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    created = [await _post(client, "/v1/sample", row, 201) for row in _rows()]
    assert await _texts(database) == [(text, text) for text in NAUGHTY]
    for sent, answered in zip(_rows(), created, strict=True):
        assert {name: json.loads(answered)[name] for name in sent} == sent
    numbers = range(1, len(NAUGHTY) + 1)
    assert [await _read(client, f"/v1/sample/{number}") for number in numbers] == created
    node = "/v1/nodes/SampleReadNode/execute"
    assert [await _post(client, node, {"parameters": {"id": number}}) for number in numbers] == created
    page = b'{"items":[%b],"next":null}' % b",".join(created)
    assert await _read(client, "/v1/sample", limit="1000") == page
    assert await _post(client, "/v1/nodes/SampleListNode/execute", {"parameters": {"limit": 1000}}) == page
    assert await _read(client, "/v1/sample/export") == b"".join(row + b"\n" for row in created)
    await shown(database)
    feed = await _read(client, "/v1/changes", limit="1000")
    assert all(b'"row":' + row + b"}" in feed for row in created)


async def test_a_row_that_a_node_creates_has_the_bytes_of_its_endpoint(client: aiohttp.ClientSession) -> None:
    for number, row in enumerate(_rows()[::7], 1):
        created = await _post(client, "/v1/nodes/SampleCreateNode/execute", {"parameters": row})
        assert created == await _read(client, f"/v1/sample/{number}")
        assert {name: json.loads(created)[name] for name in row} == row


@pytest.mark.parametrize("kind", ["array", "ndjson", "csv", "node"])
async def test_rows_of_a_bulk_are_those_of_single_requests(
    client: aiohttp.ClientSession, database: asyncpg.Connection, kind: str
) -> None:
    rows = _rows()
    path = "/v1/sample/bulk"
    if kind == "array":
        await _post(client, path, rows, 201)
    elif kind == "node":
        await _post(client, "/v1/nodes/SampleBulkCreateNode/execute", {"parameters": {"data": rows}})
    else:
        body, headers = (ndjson(rows), NDJSON) if kind == "ndjson" else (_csv(rows), CSV)
        async with client.post(path, data=body, headers=headers) as response:
            assert (response.status, await response.text()) == (201, f'{{"created":{len(rows)}}}')
    assert await _texts(database) == [(text, text) for text in NAUGHTY]
    lines = (await _read(client, "/v1/sample/export")).split(b"\n")[:-1]
    assert [{name: json.loads(line)[name] for name in row} for line, row in zip(lines, rows, strict=True)] == rows


def _csv(rows: list[dict[str, Any]]) -> bytes:
    content = io.StringIO(newline="")
    writer = csv.writer(content, quoting=csv.QUOTE_ALL)
    writer.writerow(["text", "always", *EXACT])
    for row in rows:
        writer.writerow([row["text"], row["always"], *(_cell(row[name]) for name in EXACT)])
    return content.getvalue().encode()


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def test_an_exported_csv_has_the_texts_and_can_be_sent_again(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await _post(client, "/v1/sample/bulk", _rows(), 201)
    content = await _read(client, "/v1/sample/export", format="csv", fields="text,always,document")
    records = list(csv.DictReader(io.StringIO(content.decode(), newline="")))
    assert [(record["text"], record["always"]) for record in records] == [(text, text) for text in NAUGHTY]
    await database.execute("TRUNCATE samples")
    async with client.post("/v1/sample/bulk", data=content, headers=CSV) as response:
        assert response.status == 201, await response.text()
    assert await _texts(database) == [(text, text) for text in NAUGHTY]


async def test_a_text_in_a_filter_selects_its_row_alone(client: aiohttp.ClientSession) -> None:
    await _post(client, "/v1/sample/bulk", _rows(), 201)
    for number, text in enumerate(NAUGHTY, 1):
        pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        for value in (text, {"$in": [text]}, {"$like": pattern}):
            body = {"filter": {"text": value}, "fields": "id"}
            page = await _post(client, "/v1/sample/query", body)
            assert page == b'{"items":[{"id":%d}],"next":null}' % number


async def test_the_character_that_postgresql_has_not_is_refused(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    for path, body in (
        ("/v1/sample", {"always": "a\0b"}),
        ("/v1/sample/bulk", [{"always": "a\0b"}]),
        ("/v1/sample/query", {"filter": {"text": "a\0b"}}),
        ("/v1/nodes/SampleCreateNode/execute", {"parameters": {"always": "a\0b"}}),
    ):
        response = await client.post(path, json=body)
        assert response.status == 422
        assert "U+0000" in str((await problem(response))["detail"])
    assert await _texts(database) == []
