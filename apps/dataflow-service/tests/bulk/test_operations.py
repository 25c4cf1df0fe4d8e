"""What a bulk does with each row: create, upsert, update, delete."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem
from channel import shown
from streams import CSV, NDJSON, ndjson, on_lines, sku_taken

PATH = "/v1/product/bulk"
UPSERT = f"{PATH}?operation=upsert&on=sku"
UPDATE = f"{PATH}?operation=update"
DELETE = f"{PATH}?operation=delete"

type Answer = tuple[int, Mapping[str, Any]]


async def _send(client: aiohttp.ClientSession, path: str, *rows: object, array: bool = False) -> Answer:
    body = json.dumps(rows).encode() if array else ndjson(rows)
    async with client.post(path, data=body, headers=JSON if array else NDJSON) as response:
        return response.status, await response.json(content_type=None)


async def _rows(database: asyncpg.Connection) -> list[tuple[Any, ...]]:
    found = await database.fetch("SELECT id, name, sku, supplier FROM products ORDER BY id")
    return [tuple(row) for row in found]


@pytest.fixture
async def three(client: aiohttp.ClientSession) -> aiohttp.ClientSession:
    """Client of a service with three products, A, B and C."""
    rows = [{"name": name.lower(), "sku": name, "supplier": "S"} for name in "ABC"]
    assert await _send(client, PATH, *rows) == (201, {"created": 3})
    return client


THREE = [(1, "a", "A", "S"), (2, "b", "B", "S"), (3, "c", "C", "S")]


async def test_upsert_creates_rows_and_sets_the_fields_sent_of_those_that_are_there(
    three: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    rows = [{"name": "new", "sku": "B"}, {"name": "d", "sku": "D"}, {"sku": "A", "name": "a", "supplier": None}]
    assert await _send(three, UPSERT, *rows) == (200, {"created": 1, "updated": 2})
    found = await _rows(database)
    assert found[:3] == [(1, "a", "A", None), (2, "new", "B", "S"), (3, "c", "C", "S")]
    assert [row[1:] for row in found[3:]] == [("d", "D", None)]


async def test_upsert_of_an_array_answers_the_ids_in_its_order(three: aiohttp.ClientSession) -> None:
    rows = [{"name": "x", "sku": "C"}, {"name": "x", "sku": "A", "supplier": "T"}, {"name": "x", "sku": "B"}]
    assert await _send(three, UPSERT, *rows, array=True) == (200, {"created": 0, "updated": 3, "ids": [3, 1, 2]})


async def test_update_sets_the_fields_sent(three: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    assert await _send(three, UPDATE, {"id": 2, "name": "B"}, {"id": 1, "supplier": None}) == (200, {"updated": 2})
    assert await _rows(database) == [(1, "a", "A", None), (2, "B", "B", "S"), (3, "c", "C", "S")]


async def test_delete_takes_ids(three: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    assert await _send(three, DELETE, {"id": 3}, {"id": 1}) == (200, {"deleted": 2})
    assert await _rows(database) == [(2, "b", "B", "S")]


async def test_arrays_are_updated_and_deleted_too(three: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    changes = [{"id": 2, "name": "B"}, {"id": 1, "supplier": "T"}]
    assert await _send(three, UPDATE, *changes, array=True) == (200, {"updated": 2, "ids": [2, 1]})
    assert await _send(three, DELETE, {"id": 3}, {"id": 1}, array=True) == (200, {"deleted": 2, "ids": [3, 1]})
    assert await _rows(database) == [(2, "B", "B", "S")]


async def test_csv_is_upserted_updated_and_deleted_too(
    three: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    for path, body, answer in (
        (UPSERT, b"sku,name\nB,bb\nD,d\n", {"created": 1, "updated": 1}),
        (UPDATE, b"id;supplier\n1;T\n3;\n", {"updated": 2}),
        (DELETE, b"id\n2\n", {"deleted": 1}),
    ):
        response = await three.post(path, data=body, headers=CSV)
        assert (response.status, await response.json()) == (200, answer)
    assert [row[1:] for row in await _rows(database)] == [("a", "A", "T"), ("c", "C", None), ("d", "D", None)]


@pytest.mark.parametrize(
    ("path", "rows", "counts"),
    [
        (UPSERT, [{"name": "1", "sku": "E"}, {"name": "2", "sku": "E"}], {"created": 1, "updated": 1}),
        (UPDATE, [{"id": 1, "name": "1"}, {"id": 1, "supplier": "T"}, {"id": 1, "name": "2"}], {"updated": 3}),
    ],
)
async def test_the_last_of_rows_with_one_key_stands(
    three: aiohttp.ClientSession,
    database: asyncpg.Connection,
    path: str,
    rows: list[object],
    counts: dict[str, int],
) -> None:
    assert await _send(three, path, *rows) == (200, counts)
    assert await database.fetchval("SELECT array_agg(name ORDER BY name) FROM products WHERE name < 'a'") == ["2"]


async def test_changes_of_a_bulk_are_logged(three: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    await _send(three, UPSERT, {"name": "new", "sku": "B"}, {"name": "d", "sku": "D"})
    await _send(three, UPDATE, {"id": 1, "name": "x"})
    await _send(three, DELETE, {"id": 3})
    await shown(database)
    items = (await (await three.get("/v1/changes?limit=1000")).json())["items"]
    logged = [(item["op"], item["row"] and item["row"]["name"]) for item in items[-4:]]
    assert sorted(logged[:2]) == [("create", "d"), ("update", "new")]  # of one statement
    assert logged[2:] == [("update", "x"), ("delete", None)]


@pytest.mark.parametrize("path", [UPDATE, DELETE])
async def test_an_id_of_no_row_is_named(three: aiohttp.ClientSession, database: asyncpg.Connection, path: str) -> None:
    name = {"name": "x"} if path == UPDATE else {}
    rows = [{"id": row_id, **name} for row_id in (1, 2, 99, 3, 98)]
    text = "There is no product with the id 99."
    title = "There is no such row"
    assert await _send(three, path, *rows) == (
        404,
        {
            "type": "urn:nexus:problem:no-such-row",
            "title": title,
            "status": 404,
            "detail": text,
            "errors": [{"pointer": "/body/2/id", "detail": text, "line": 3}],
        },
    )
    assert await _rows(database) == THREE


async def test_an_id_is_deleted_once(three: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    status, found = await _send(three, DELETE, {"id": 2}, {"id": 3}, {"id": 2})
    assert (status, found["errors"]) == (
        404,
        [{"pointer": "/body/2/id", "detail": "There is no product with the id 2.", "line": 3}],
    )
    assert await _rows(database) == THREE


async def test_a_row_of_an_array_that_the_database_refuses_is_named(
    three: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    rows = [{"name": "x", "sku": "D"}, {"name": "x", "sku": "B"}]
    assert await _send(three, PATH, *rows, array=True) == (409, sku_taken("/body/1/sku"))
    assert await _send(three, UPDATE, {"id": 1, "sku": "E"}, {"id": 2, "sku": "C"}) == (
        409,
        sku_taken("/body/1/sku", line=2),
    )
    assert await _rows(database) == THREE


@pytest.mark.parametrize(
    ("path", "row", "fault"),
    [
        (UPSERT, {"name": "x"}, ("/body/0/sku", "should have a value: it identifies the row")),
        (UPSERT, {"sku": "x"}, ("/body/0/name", "is missing")),
        (UPDATE, {"name": "x"}, ("/body/0", "should be an object with an id")),
        (UPDATE, {"id": "1", "name": "x"}, ("/body/0/id", "should be an integer, the id of a row")),
        (UPDATE, {"id": 1, "name": ""}, ("/body/0/name", "String should have at least 1 character")),
        (DELETE, 1, ("/body/0", "should be an object with an id")),
        (DELETE, {"id": 1, "name": "x"}, ("/body/0/name", "is not taken here; send the id alone")),
    ],
)
async def test_a_row_has_what_the_operation_needs(
    three: aiohttp.ClientSession,
    database: asyncpg.Connection,
    path: str,
    row: object,
    fault: tuple[str, str],
) -> None:
    assert await _send(three, path, row) == (422, on_lines((*fault, 1)))
    assert await _send(three, path, row, array=True) == (422, invalid(fault))
    assert await _rows(database) == THREE


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("operation=upsert", "should have the fields of a unique index of Product: sku"),
        ("operation=upsert&on=name", "should have the fields of a unique index of Product: sku"),
        ("operation=update&on=sku", "belongs to operation=upsert; leave it out"),
        ("on=sku", "belongs to operation=upsert; leave it out"),
    ],
)
async def test_upsert_alone_names_a_unique_index(client: aiohttp.ClientSession, query: str, text: str) -> None:
    response = await client.post(f"{PATH}?{query}", data=b"", headers=NDJSON)
    assert await problem(response) == invalid(("/query/on", text))
