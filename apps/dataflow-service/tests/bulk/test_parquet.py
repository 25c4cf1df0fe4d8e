"""GET /v1/{model}/export?format=parquet, read by pyarrow itself."""

import io
import json
from datetime import UTC, datetime
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from offers import LISTS, TEXTS

from dataflow_service.bulk import parquet

arrow = pytest.importorskip("pyarrow", reason="pyarrow is the extra `parquet`")
files = pytest.importorskip("pyarrow.parquet")

PATH = "/v1/product/export"
SCHEMA = """\
id: int64 not null
text: string
flag: bool
whole: int64
real: double
exact: string
moment: timestamp[us, tz=UTC]
day: date32[day]
key: string
document: string
always: string not null
created_at: timestamp[us, tz=UTC] not null
updated_at: timestamp[us, tz=UTC] not null"""


async def _file(client: aiohttp.ClientSession, path: str, **query: str) -> Any:  # noqa: ANN401 - pyarrow has no types
    async with client.get(path, params={**query, "format": "parquet"}) as response:
        assert (response.status, response.content_type) == (200, "application/vnd.apache.parquet")
        return files.ParquetFile(io.BytesIO(await response.read()))


async def _lines(client: aiohttp.ClientSession, path: str, **query: str) -> list[dict[str, Any]]:
    async with client.get(path, params=query) as response:
        return [json.loads(line) for line in (await response.read()).splitlines()]


def _as_json(value: Any) -> Any:  # noqa: ANN401 - a value of any type
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case list():
            return [_as_json(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


async def test_the_values_and_types_are_those_of_the_rows(sample_rows: aiohttp.ClientSession) -> None:
    found = await _file(sample_rows, "/v1/sample/export")
    assert str(found.schema_arrow) == SCHEMA
    rows = [{name: _as_json(value) for name, value in row.items()} for row in found.read().to_pylist()]
    expected = await _lines(sample_rows, "/v1/sample/export")
    for row in rows:
        row["document"] = None if row["document"] is None else json.loads(row["document"])
    assert rows == expected


async def test_lists_are_lists(offers: aiohttp.ClientSession) -> None:
    assert (await offers.post("/v1/offer", json={"name": "full", **LISTS})).status == 201
    assert (await offers.post("/v1/offer", json={"name": "none"})).status == 201
    names = ",".join(LISTS)
    found = await _file(offers, "/v1/offer/export", fields=names)
    assert str(found.schema_arrow.field("wholes").type) == "list<element: int64 not null>"
    rows = [{name: _as_json(value) for name, value in row.items()} for row in found.read().to_pylist()]
    assert rows == await _lines(offers, "/v1/offer/export", fields=names)
    assert rows[0]["texts"] == TEXTS


async def test_an_export_of_nothing_has_the_types(client: aiohttp.ClientSession) -> None:
    found = await _file(client, PATH, fields="id,name")
    assert (str(found.schema_arrow), found.metadata.num_rows) == ("id: int64 not null\nname: string not null", 0)


async def test_rows_are_written_in_groups_of_some_mebibytes_as_they_are_at_one_moment(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute(
        "INSERT INTO products (name, description) SELECT n, repeat(md5(n::text), 1800) FROM generate_series(1, 300) AS n"
    )
    async with client.get(PATH, params={"fields": "name,description", "format": "parquet"}) as response:
        content = await response.content.readexactly(4)
        await database.execute("DELETE FROM products")
        content += await response.read()
    found = files.ParquetFile(io.BytesIO(content))
    assert found.read(["name"]).column("name").to_pylist() == [str(number) for number in range(1, 301)]
    groups = [found.metadata.row_group(number).num_rows for number in range(found.num_row_groups)]
    assert groups == [100, 100, 100]
    assert parquet.GROUP_BYTES < 100 * 32 * 1800 < 2 * parquet.GROUP_BYTES


async def test_a_moment_that_parquet_has_not_is_named(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("INSERT INTO products (name, created_at) VALUES ('a', 'infinity')")
    response = await client.get(PATH, params={"format": "parquet"})
    found = await problem(response)
    assert (found["status"], found["type"]) == (422, "urn:nexus:problem:beyond-format")
    assert str(found["detail"]).startswith("A row has infinity in the field created_at, ")
    assert (await _file(client, PATH, fields="name")).read().to_pylist() == [{"name": "a"}]
