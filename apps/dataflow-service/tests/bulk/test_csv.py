"""CSV is written as it arrives: a header, then a row in each record (RFC 4180)."""

from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import problem
from streams import CSV, in_parts, on_lines, sku_taken

PATH = "/v1/product/bulk"
NEW_LINE = "new-line character seen in unquoted field - do you need to open the file with newline=''?"
COLUMNS = "name, description, sku, supplier, unspsc_code, etim_class, attributes"


async def _send(client: aiohttp.ClientSession, body: str | bytes, size: int = 1 << 16) -> tuple[int, Any]:
    content = body.encode() if isinstance(body, str) else body
    async with client.post(PATH, data=in_parts(content, size), headers=CSV) as response:
        return response.status, await response.json(content_type=None)


async def _rows(database: asyncpg.Connection, columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await database.fetch(f"SELECT {columns} FROM products ORDER BY id")]  # noqa: S608 - of this file


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_the_delimiter_is_that_of_the_header(
    client: aiohttp.ClientSession, database: asyncpg.Connection, delimiter: str, end: str
) -> None:
    lines = [["name", "sku", "supplier"], ["Nut", "N-1", "a,b;c|d" if delimiter == "\t" else "a\tb"]]
    assert await _send(client, end.join(delimiter.join(line) for line in lines)) == (201, {"created": 1})
    assert await _rows(database, "name, sku, supplier") == [tuple(lines[1])]


async def test_one_column_needs_no_delimiter(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    assert await _send(client, "name\nNut; M8\n") == (201, {"created": 1})
    assert await _rows(database, "name") == [("Nut; M8",)]


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_quoted_cells_may_have_delimiters_quotes_and_lines(
    client: aiohttp.ClientSession, database: asyncpg.Connection, size: int
) -> None:
    body = '\ufeff"name",description\r\n"a, ""b""","1\r\n\n2"\r\n5" pipe,"\u00e9\U0001f529"\r\n'
    assert await _send(client, body, size) == (201, {"created": 2})
    assert await _rows(database, "name, description") == [('a, "b"', "1\r\n\n2"), ('5" pipe', "\u00e9\U0001f529")]


async def test_an_empty_cell_is_null_and_a_quoted_one_is_empty_text(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    assert await _send(client, 'name,description,attributes\nx,,\ny,"",{}\n') == (201, {"created": 2})
    assert await _rows(database, "name, description, attributes::text") == [("x", None, "{}"), ("y", "", "{}")]


async def test_an_empty_cell_of_a_field_that_takes_no_null_is_not_sent(client: aiohttp.ClientSession) -> None:
    assert await _send(client, "name,sku\n,A\n") == (422, on_lines(("/body/0/name", "is missing", 2)))


async def test_json_is_in_cells_of_json_fields(client: aiohttp.ClientSession, database: asyncpg.Connection) -> None:
    assert await _send(client, 'name,attributes\nx,"{""mm"": 1.50}"\n') == (201, {"created": 1})
    assert await _rows(database, "attributes::text") == [('{"mm": 1.50}',)]


async def test_each_fault_of_csv_is_named_with_the_line_where_its_record_begins(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    body = 'name,description,unspsc_code,attributes\na,"1\n2\n3",,\n,x,,\n"",,12,\na,b\n\na,,,{\n'
    assert await _send(client, body) == (
        422,
        on_lines(
            ("/body/1/name", "is missing", 5),
            ("/body/2/name", "String should have at least 1 character", 6),
            ("/body/2/unspsc_code", "String should match pattern '^[0-9]{8}$'", 6),
            ("/body/3", "should have 4 cells, as the header; found 2", 7),
            ("/body/4", "should have 4 cells, as the header; found 1", 8),
            (
                "/body/5/attributes",
                "cannot be read as JSON: Expecting property name enclosed in double quotes at character 2",
                9,
            ),
        ),
    )
    assert await _rows(database, "name") == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b'name\na\n"b"c\nd\n', ("/body/1", "cannot be read as CSV: ',' expected after '\"'", 3)),
        (b'name\na\n"b\nc\n', ("/body/1", "cannot be read as CSV: unexpected end of data", 3)),
        (b"name\na\nb\rc\n", ("/body/1", f"cannot be read as CSV: {NEW_LINE}", 3)),
        (b"name\na\nb\xff\n", ("/body/1", "is not UTF-8: byte 1 of the line is 0xff", 3)),
        (b"name\na\n" + b"b" * 262145 + b"\n", ("/body/1", "has more than 262144 bytes", 3)),
        (
            b'name\na\n"' + b"b\n" * 65537,
            ("/body/1", "cannot be read as CSV: field larger than field limit (131072)", 3),
        ),
        (b'name\na\n"' + (b"b\n" * 40000 + b'","') * 4, ("/body/1", "has more than 262144 bytes", 3)),
        (b"", ("/body", "is empty; the first line should have the names of fields", 1)),
        (b"\n", ("/body", f"has the column ''; the columns may be {COLUMNS}", 1)),
        (b"\xff\nx\n", ("/body", "is not UTF-8: byte 0 of the line is 0xff", 1)),
    ],
)
async def test_what_is_no_csv_is_refused_with_its_line(
    client: aiohttp.ClientSession, database: asyncpg.Connection, body: bytes, fault: tuple[str, str, int]
) -> None:
    assert await _send(client, body) == (422, on_lines(fault))
    assert await _rows(database, "name") == []


async def test_the_header_has_fields_that_may_be_written_each_once(client: aiohttp.ClientSession) -> None:
    assert await _send(client, "name,colour,id,name\n") == (
        422,
        on_lines(
            ("/body", f"has the column 'colour'; the columns may be {COLUMNS}", 1),
            ("/body", f"has the column 'id'; the columns may be {COLUMNS}", 1),
            ("/body", "has the column 'name' more than once; name a field once", 1),
        ),
    )


async def test_a_record_that_the_database_refuses_is_named(
    client: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    body = "name,sku\n" + "".join(f'"x\ny",S{number}\n' for number in range(1200)) + "z,S7\n"
    assert await _send(client, body) == (409, sku_taken("/body/1200/sku", line=2402))
    assert await _rows(database, "name") == []


async def test_cells_are_checked_as_values_are(
    sample_rows: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    body = 'flag,whole,real,exact,moment,day\n1,1.5,x,1e200,2026-02-03,"03.02.2026"\nTrue, ,"""1""",,,\n'
    async with sample_rows.post("/v1/sample/bulk", data=body.encode(), headers=CSV) as response:
        found = await problem(response)
    assert [(fault["pointer"], fault["line"]) for fault in found["errors"]] == [  # type: ignore[attr-defined]
        *((f"/body/0/{name}", 2) for name in ("flag", "whole", "real", "exact", "moment", "day", "always")),
        *((f"/body/1/{name}", 3) for name in ("flag", "whole", "real")),
    ]
    assert await database.fetchval("SELECT count(*) FROM samples") == 60
