"""The pages of rows: the newest first, as text whatever they hold."""

import json
from urllib.parse import urljoin

import aiohttp
import asyncpg
import pytest
from readings import READING

from nexus_testkit.html_page import Element, open_page


async def test_the_newest_rows_come_first_twenty_on_a_page(client: aiohttp.ClientSession) -> None:
    await client.post("/v1/product/bulk", json=[{"name": f"bolt {number}"} for number in range(1, 46)])
    first = await open_page(client, "/pages/models/Product/rows")
    second = await open_page(client, "/pages/models/Product/rows?after=26")
    third = await open_page(client, "/pages/models/Product/rows?after=6")

    def names(found: Element) -> list[str]:
        return [row[2] for row in found.one("main").table()[1:]]

    assert names(first) + names(second) + names(third) == [f"bolt {number}" for number in range(45, 0, -1)]
    assert [len(names(found)) for found in (first, second, third)] == [20, 20, 5]
    newest, older = "../../models/Product/rows", "../../models/Product/rows?after="
    assert [list(found.one("main").every("nav"))[-1].links() for found in (first, second, third)] == [
        {"Older rows": f"{older}26"},
        {"Newest rows": newest, "Older rows": f"{older}6"},
        {"Newest rows": newest},
    ]


async def test_a_model_without_rows_has_an_empty_page(client: aiohttp.ClientSession) -> None:
    found = (await open_page(client, "/pages/models/Product/rows")).one("main")

    assert found.text == "Models / Product Rows of Product The newest rows There are none."


async def test_values_are_shown_as_the_answers_have_them(readings: aiohttp.ClientSession) -> None:
    values = {
        **READING,
        "text": "",
        "whole": 2**63 - 1,
        "exact": "1.10",
        "document": {"a": [1.5, None, "é"]},
    }
    created = await (await readings.post("/v1/reading", json=values)).json()
    (names, row) = (await open_page(readings, "/pages/models/Reading/rows")).one("main").table()

    assert dict(zip(names, row, strict=True)) == {
        "Whole row": "JSON",
        **{name: str(created[name]) for name in names[1:]},
        "flag": "true",
        "document": '{"a": [1.5, null, "é"]}',
        "maybe": "null",
    }
    assert (created["whole"], created["exact"], created["moment"]) == (
        *(2**63 - 1, "1.10"),
        "2026-02-03T02:05:06.123456Z",
    )


async def test_rows_whose_ids_have_no_order_are_ordered_by_their_creation(
    readings: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    columns = '"text", flag, whole, "real", exact, moment, day, key, document, maybe, created_at'
    values = (
        "'', true, 1, 0, 0, now(), now(), gen_random_uuid(), '{}', n, '2026-01-01Z'::timestamptz + n * '1 s'::interval"
    )
    rows = f"SELECT {values} FROM generate_series(1, 30) AS n"  # noqa: S608 - names of this file
    await database.execute(f"INSERT INTO instrument_readings ({columns}) {rows}")
    first = (await open_page(readings, "/pages/models/Reading/rows")).one("main")
    second = (await open_page(readings, urljoin("/pages/models/Reading/rows", first.links()["Older rows"]))).one("main")

    place = first.table()[0].index("maybe")
    assert [row[place] for found in (first, second) for row in found.table()[1:]] == [str(n) for n in range(30, 0, -1)]


HOSTILE = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "</bdi></td></table>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt; &amp;",
    "\u202eright to left\u202c \u2066isolated",
]


async def test_hostile_values_come_out_as_text(client: aiohttp.ClientSession) -> None:
    rows = [{"name": text, "description": text, "attributes": {text: text}} for text in HOSTILE]
    assert (await client.post("/v1/product/bulk", json=rows)).status == 201
    found = await open_page(client, "/pages/models/Product/rows")
    values = [[cell.raw_text for cell in row.every("bdi")] for row in found.one("tbody").every("tr")]

    assert [(row[1], row[2], json.loads(row[3])) for row in values] == [
        (text, text, {text: text}) for text in reversed(HOSTILE)
    ]
    assert [script.attributes["src"] for script in found.every("script")] == [
        "../../../../static/navigation.js",
        "../../static/copy.js",
    ]
    assert list(found.every("img")) == []


@pytest.mark.parametrize(
    ("text", "shown", "title"),
    [
        ("w" * 80, "w" * 80, None),
        ("w" * 81, "w" * 79 + "…", "w" * 81),
        ("<" * 1000, "<" * 79 + "…", "<" * 1000),
        ('"' * 60_000, '"' * 79 + "…", '"' * 999 + "…"),
        ("\U0001f529" * 81, "\U0001f529" * 79 + "…", "\U0001f529" * 81),
    ],
)
async def test_a_long_value_is_cut_with_more_of_it_in_its_title(
    client: aiohttp.ClientSession, text: str, shown: str, title: str | None
) -> None:
    created = await client.post("/v1/product", json={"name": "x", "description": text})
    assert created.status == 201
    row = (await open_page(client, "/pages/models/Product/rows")).one("tbody")
    value = list(row.every("bdi"))[2]

    assert (value.raw_text, value.attributes.get("title")) == (shown, title)
