"""A class of members is stored as JSON: its members follow the rules of fields, whatever level they are at."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem

NOTES = '{"big": 100000000000000000000.5, "deep": [1.10, {"x": null}], "int": 1208925819614629174706176}'
SENT = (
    '{"name": "x", "size": {"width": 12345678901234567890.10, "unit": "in", '
    f'"measured_at": "2026-02-03T04:05:06.5+02:00", "notes": {NOTES}}}, '
    '"maker": {"name": "Norm & Co", "since": "9999-12-31", "numbers": [9223372036854775807, 0]}, '
    '"parts": [{"width": "1E+2"}, {"width": 0.50, "notes": {}}], "makers": [{"name": "\\u2028 \\\\"}]}'
)
SIZE = {
    "width": "12345678901234567890.10",
    "unit": "in",
    "measured_at": "2026-02-03T02:05:06.500000Z",
    "notes": json.loads(NOTES, parse_float=str),
}
MAKER = {"name": "Norm & Co", "since": "9999-12-31", "numbers": [2**63 - 1, 0]}
PARTS = [
    {"width": width, "unit": "mm", "measured_at": None, "notes": {}} for width in ("100", "0.50")
]  # with the defaults of the members that were not sent


def _members(content: bytes) -> list[Any]:
    row = json.loads(content, parse_float=str)
    return [row[name] for name in ("size", "maker", "parts", "makers")]


EXPECTED = [SIZE, MAKER, PARTS, [{"name": "\u2028 \\"}]]


async def test_members_come_back_with_every_digit_however_they_were_written(
    offers: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    created = await offers.post("/v1/offer", data=SENT.encode(), headers=JSON)
    assert created.status == 201, await created.text()
    assert _members(await created.read()) == EXPECTED
    second = SENT.replace('"x"', '"y"', 1)
    await offers.post("/v1/offer/bulk", data=f"[{second}]".encode(), headers=JSON)
    bulk = f'{{"parameters": {{"data": [{SENT}, {second}], "conflict_on": ["name"]}}}}'
    upserted = await offers.post("/v1/nodes/OfferBulkUpsertNode/execute", data=bulk.encode(), headers=JSON)
    assert await upserted.json() == {"created": 0, "updated": 2, "ids": [1, 2]}
    for row_id in (1, 2):
        assert _members(await (await offers.get(f"/v1/offer/{row_id}")).read()) == EXPECTED
    assert await database.fetchval("SELECT jsonb_typeof(size) || ' ' || jsonb_typeof(parts) FROM offers LIMIT 1") == (
        "object array"
    )


async def test_what_was_answered_can_be_sent_again(offers: aiohttp.ClientSession) -> None:
    content = await (await offers.post("/v1/offer", data=SENT.encode(), headers=JSON)).read()
    row = json.loads(content, parse_float=lambda text: text)  # no notes with fractions, which would become texts
    body = {name: row[name] for name in ("name", "maker", "parts", "makers")}
    again = await (await offers.put("/v1/offer/1", json={**body, "size": {**row["size"], "notes": {}}})).read()
    assert _members(again) == [{**SIZE, "notes": {}}, *EXPECTED[1:]]


async def test_the_default_is_that_of_the_model_with_its_members(
    offers: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    row = await (await offers.post("/v1/offer", json={"name": "x"})).json()
    default = {"width": "1.0", "unit": "mm", "measured_at": None, "notes": {}}
    assert (row["size"], row["maker"], row["parts"], row["makers"]) == (default, None, [], None)
    await database.execute("INSERT INTO offers (name) VALUES ('y')")
    other = await (await offers.get("/v1/offer/2")).json()
    same = [name for name in row if name not in {"id", "name", "created_at", "updated_at"}]
    assert [other[name] for name in same] == [row[name] for name in same]


DECIMAL = 'should be a decimal number, such as 12.50 or "12.50"'


@pytest.mark.parametrize(
    ("field", "value", "place", "fault"),
    [
        ("size", {}, "/width", "is missing"),
        ("size", {"width": "x"}, "/width", DECIMAL),
        ("size", {"width": True}, "/width", "Input should be an instance of Decimal"),
        ("size", {"width": 0}, "/width", "Input should be greater than 0"),
        ("size", {"width": 1, "height": 2}, "/height", "is not known here; leave it out"),
        ("size", {"width": 1, "unit": "cm"}, "/unit", "Input should be 'mm' or 'in'"),
        (
            "size",
            {"width": 1, "measured_at": "2026-02-03T04:05:06"},
            "/measured_at",
            "should be a date and time with its offset from UTC, such as 2026-02-03T04:05:06.789Z",
        ),
        (
            "size",
            {"width": 1, "notes": {"a": "\0"}},
            "",
            "contains the character U+0000, which PostgreSQL cannot store; leave it out",
        ),
        ("size", None, "", "Input should be a valid dictionary or instance of Size"),
        ("size", [], "", "Input should be a valid dictionary or instance of Size"),
        (
            "maker",
            {"name": "a\0"},
            "/name",
            "contains the character U+0000, which PostgreSQL cannot store; leave it out",
        ),
        ("maker", {"name": ""}, "/name", "String should have at least 1 character"),
        (
            "maker",
            {"name": "a", "since": "2026-02-30"},
            "/since",
            "is no date that exists: day is out of range for month",
        ),
        ("maker", {"name": "a", "since": None}, "/since", "Input should be a valid date"),
        ("maker", {"name": "a", "odd": 1}, "/odd", "is not known here; leave it out"),
        ("maker", {"name": "a", "numbers": [1, "2"]}, "/numbers/1", "Input should be a valid integer"),
        ("parts", [{"width": 1}, {"width": "x"}], "/1/width", DECIMAL),
        ("parts", {"width": 1}, "", "Input should be a valid list"),
        ("parts", [None], "/0", "Input should be a valid dictionary or instance of Size"),
    ],
)
async def test_what_is_wrong_with_a_member_is_named_by_its_place(
    offers: aiohttp.ClientSession, field: str, value: object, place: str, fault: str
) -> None:
    response = await offers.post("/v1/offer", json={"name": "x", field: value})
    assert (response.status, await problem(response)) == (422, invalid((f"/body/{field}{place}", fault)))


@pytest.mark.parametrize("number", ["1e100", "1e-101", "-0.0"])
async def test_a_number_that_jsonb_would_change_is_refused(offers: aiohttp.ClientSession, number: str) -> None:
    body = f'{{"name": "x", "size": {{"width": 1, "notes": {{"n": {number}}}}}}}'
    response = await offers.post("/v1/offer", data=body.encode(), headers=JSON)
    assert (response.status, (await problem(response))["errors"][0]["pointer"]) == (422, "/body/size")  # type: ignore[index]


async def test_members_count_in_the_bytes_of_a_row(offers: aiohttp.ClientSession) -> None:
    response = await offers.post("/v1/offer", json={"name": "x", "maker": {"name": "n" * 65536}})
    assert str((await problem(response))["detail"]).endswith(" bytes of text; a row has at most 65536")


async def _names(client: aiohttp.ClientSession, document: object) -> list[str]:
    page = await client.post("/v1/offer/query", json={"filter": document, "fields": "name", "order": "name"})
    assert page.status == 200, await page.text()
    return [row["name"] for row in (await page.json())["items"]]


async def test_members_are_compared_at_paths_and_as_a_whole(offers: aiohttp.ClientSession) -> None:
    rows = [
        {"name": "a", "size": {"width": "1.50", "unit": "in"}, "maker": {"name": "m"}, "parts": [{"width": 1}]},
        {"name": "b", "size": {"width": 2}, "maker": {"name": "n", "numbers": [1, 2]}},
    ]
    await offers.post("/v1/offer/bulk", json=rows)
    for document, expected in (
        ({"size.unit": "in"}, ["a"]),
        ({"size.width": "1.50"}, ["a"]),
        ({"size.width": {"$ne": "1.50"}}, ["b"]),
        ({"maker.numbers.1": 2}, ["b"]),
        ({"maker.numbers": None}, ["a"]),
        ({"maker.since": {"$null": True}}, ["a", "b"]),
        ({"maker": {"$eq": {"name": "m"}}}, ["a"]),
        ({"maker": {"$null": True}}, []),
        ({"parts": []}, ["b"]),
        ({"parts": {"$eq": [{"width": "1", "unit": "mm", "measured_at": None, "notes": {}}]}}, ["a"]),
        ({"parts.0.width": "1"}, ["a"]),
        ({"makers": None}, ["a", "b"]),
    ):
        assert await _names(offers, document) == expected, document


async def test_the_json_schema_has_the_members(offers: aiohttp.ClientSession) -> None:
    schema = (await (await offers.get("/v1/models/Offer")).json())["schema"]
    size, maker = schema["$defs"]["Size"], schema["$defs"]["Maker"]
    assert sorted(schema["$defs"]) == ["Maker", "Size"]
    assert (size["required"], size["additionalProperties"]) == (["width"], False)
    assert size["description"] == "How large something is."
    assert size["properties"]["unit"] == {"default": "mm", "enum": ["mm", "in"], "title": "Unit", "type": "string"}
    assert (maker["required"], maker["additionalProperties"]) == (["name"], False)
    assert maker["properties"]["name"] == {"minLength": 1, "title": "Name", "type": "string"}
    assert schema["properties"]["parts"]["items"] == {"$ref": "#/$defs/Size"}
    assert schema["properties"]["maker"]["anyOf"] == [{"$ref": "#/$defs/Maker"}, {"type": "null"}]
    fields = (await (await offers.get("/v1/models/Offer")).json())["fields"]
    types = {field["name"]: field["type"] for field in fields}
    assert [types[name] for name in ("size", "maker", "parts", "makers", "texts")] == [*["jsonb"] * 4, "text[]"]
