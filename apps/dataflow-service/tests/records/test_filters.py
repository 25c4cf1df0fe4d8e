"""Filters, fields and orders over HTTP: what callers send and what they get."""

import json
from typing import Any

import aiohttp
import pytest
from answers import JSON, invalid, problem
from samples import INJECTIONS
from yarl import URL

NAMES = "id, text, flag, whole, real, exact, moment, day, key, document, always, created_at, updated_at"
OPERATORS = "$eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $like, $ilike, $null"


async def _ids(client: aiohttp.ClientSession, document: object) -> list[int]:
    """The rows of a filter, which a body and an address agree about."""
    text = json.dumps(document)
    response = await client.get("/v1/sample", params={"filter": text, "limit": "1000"})
    ids = [row["id"] for row in (await response.json())["items"]]
    body = await client.post("/v1/sample/query", json={"filter": document, "fields": ["id"], "limit": 1000})
    assert await body.json() == {"items": [{"id": row_id} for row_id in ids], "next": None}
    assert await (await client.get("/v1/sample/count", params={"filter": text})).json() == {"count": len(ids)}
    return ids


async def _fault(client: aiohttp.ClientSession, text: str) -> dict[str, object]:
    response = await client.get("/v1/sample", params={"filter": text})
    assert response.status == 422
    return await problem(response)


async def test_a_page_has_the_fields_asked_for_in_the_order_of_the_model(sample_rows: aiohttp.ClientSession) -> None:
    query = {"filter": '{"id": {"$lte": 2}}', "fields": "exact,document,id", "order": "-id"}
    page = await (await sample_rows.get("/v1/sample", params=query)).json()
    assert page == {
        "items": [{"id": 2, "exact": None, "document": {"a": 1, "b": 1}}, {"id": 1, "exact": "0", "document": {}}],
        "next": None,
    }
    assert [list(row) for row in page["items"]] == [["id", "exact", "document"]] * 2


async def test_null_is_equal_to_null_alone_and_not_is_the_rest(sample_rows: aiohttp.ClientSession) -> None:
    for field in ("text", "flag", "whole", "real", "exact", "moment", "day", "key", "document", "document.a"):
        null = await _ids(sample_rows, {field: None})
        known = await _ids(sample_rows, {field: {"$null": False}})
        assert null
        assert known
        assert sorted(null + known) == list(range(1, 61))
        assert await _ids(sample_rows, {field: {"$eq": None}}) == null
        assert await _ids(sample_rows, {field: {"$null": True}}) == null
        assert await _ids(sample_rows, {field: {"$ne": None}}) == known
        assert await _ids(sample_rows, {"$not": {field: None}}) == known
    one = await _ids(sample_rows, {"whole": 1})
    assert await _ids(sample_rows, {"whole": {"$ne": 1}}) == await _ids(sample_rows, {"$not": {"whole": 1}})
    assert sorted(one + await _ids(sample_rows, {"whole": {"$nin": [1]}})) == list(range(1, 61))


async def test_empty_lists_are_no_faults(sample_rows: aiohttp.ClientSession) -> None:
    every = list(range(1, 61))
    assert await _ids(sample_rows, {"whole": {"$in": []}}) == []
    assert await _ids(sample_rows, {"whole": {"$nin": []}}) == every
    assert await _ids(sample_rows, {"$or": []}) == []
    assert await _ids(sample_rows, {"$and": []}) == every
    assert await _ids(sample_rows, {}) == every


async def test_a_decimal_is_compared_exactly_in_both_its_spellings(sample_rows: aiohttp.ClientSession) -> None:
    for value, other in [("12345678901234567890.012345678901", "12345678901234567890.0123456789")]:
        text = await _ids(sample_rows, {"exact": value})
        assert text
        assert not set(text) & set(await _ids(sample_rows, {"exact": other}))
        page = await sample_rows.get("/v1/sample", params={"filter": f'{{"exact": {value}}}'})
        assert [row["id"] for row in (await page.json())["items"]] == text
        assert {row["exact"] for row in (await page.json())["items"]} == {value}


@pytest.mark.parametrize("text", INJECTIONS)
async def test_what_looks_like_sql_is_data_as_a_value_and_no_field(
    sample_rows: aiohttp.ClientSession, text: str
) -> None:
    found = await _ids(sample_rows, {"text": text})
    assert found
    rows = await sample_rows.post("/v1/sample/query", json={"filter": {"text": {"$in": [text]}}, "fields": ["text"]})
    assert await rows.json() == {"items": [{"text": text}] * len(found), "next": None}
    assert await _ids(sample_rows, {"document": {"$eq": {"x": text}}}) == []
    for document in ({text: 1}, {"text": {text: 1}}, {"text": {"$" + text: 1}}, {"$" + text: 1}):
        assert (await _fault(sample_rows, json.dumps(document)))["type"] == "urn:nexus:problem:invalid-request"
    for name in ("fields", "order", "after", "group_by", "aggregates"):
        body = {name: {"sum": [text]} if name == "aggregates" else text}
        assert (await sample_rows.post("/v1/sample/query", json=body)).status == 422
    assert await _ids(sample_rows, {}) == list(range(1, 61))


async def test_the_key_that_dataflow_itself_puts_into_sql_is_no_field(sample_rows: aiohttp.ClientSession) -> None:
    key = 'name" IS NOT NULL OR "name'
    fault = f"is no field of Sample; its fields are {NAMES}"
    assert await _fault(sample_rows, json.dumps({key: "x"})) == invalid((f"/query/filter/{key}", fault))


def _in(levels: int, document: object) -> str:
    for _ in range(levels):
        document = {"$not": document}
    return json.dumps(document)


FAULTS: list[tuple[str, str, str]] = [
    ("", "", "cannot be read as JSON: it is empty"),
    ("{", "", "cannot be read as JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
    ('{"id": 1, "id": 2}', "", "cannot be read as JSON: the name 'id' is given twice in one object"),
    ('{"$or": [{"a": {"$eq": 1, "$eq": 2}}]}', "", "cannot be read as JSON: the name '$eq' is given twice in one object"),
    ('{"text": "\\ud800"}', "", "cannot be read as JSON: it has a lone surrogate: unexpected end of hex escape at line 1 column 17"),
    ("[]", "", 'should be an object, such as {"id": 1}; found an array'),
    ("null", "", 'should be an object, such as {"id": 1}; found null'),
    ('{"nmae": 1}', "/nmae", f"is no field of Sample; its fields are {NAMES}"),
    ('{"a/b~c": 1}', "/a~1b~0c", f"is no field of Sample; its fields are {NAMES}"),
    ('{"$nor": []}', "/$nor", "is no operator here; use a field, $and, $or or $not"),
    ('{"$eq": 1}', "/$eq", 'is no operator here; use a field, $and, $or or $not; write {"field": {"$operator": value}}'),
    ('{"$and": {}}', "/$and", "should be an array of filters; found an object"),
    ('{"$or": [1]}', "/$or/0", 'should be an object, such as {"id": 1}; found a number'),
    ('{"$not": [{}]}', "/$not", 'should be an object, such as {"id": 1}; found an array'),
    ('{"whole": {"$regex": "x"}}', "/whole/$regex", f"is no operator of a field; they are {OPERATORS}"),
    ('{"whole": {"$gt": 1, "x": 1}}', "/whole/x", f"is no operator of a field; they are {OPERATORS}"),
    ('{"whole": {}}', "/whole", 'should have an operator, such as {"$eq": ...}; found an object without one'),
    ('{"whole": "1"}', "/whole", "Input should be a valid integer"),
    ('{"whole": 1.0}', "/whole", "Input should be a valid integer"),
    ('{"whole": true}', "/whole", "Input should be a valid integer"),
    (
        '{"whole": {"$in": [1, 9223372036854775808]}}',
        "/whole/$in/1",
        "is outside the range of a 64 bit integer, -9223372036854775808 to 9223372036854775807",
    ),
    ('{"whole": {"$in": 1}}', "/whole/$in", "should be an array of values; found a number"),
    ('{"whole": {"$in": [null]}}', "/whole/$in/0", "is null, which only $eq, $ne and $null compare; use one of them"),
    ('{"whole": {"$gt": null}}', "/whole/$gt", "is null, which only $eq, $ne and $null compare; use one of them"),
    ('{"whole": {"$null": "yes"}}', "/whole/$null", "should be true or false; found a string"),
    ('{"whole": {"$null": null}}', "/whole/$null", "should be true or false; found null"),
    ('{"whole": {"$like": "1%"}}', "/whole/$like", "matches texts only, and whole is bigint; use $eq or a range"),
    ('{"text": {"$like": "a\\\\"}}', "/text/$like", "ends with a backslash that escapes nothing; write \\\\ for a backslash"),
    ('{"text": {"$like": 1}}', "/text/$like", "Input should be a valid string"),
    (
        '{"text": "a\\u0000"}',
        "/text",
        "contains the character U+0000, which PostgreSQL cannot store; leave it out",
    ),
    ('{"real": 1e309}', "/real", "is a number too large for a field of double precision"),
    ('{"exact": "1,5"}', "/exact", 'should be a decimal number, such as 12.50 or "12.50"'),
    (
        '{"moment": {"$gte": "2026-02-03T04:05:06"}}',
        "/moment/$gte",
        "should be a date and time with its offset from UTC, such as 2026-02-03T04:05:06.789Z",
    ),
    ('{"day": "2026-02-30"}', "/day", "is no date that exists: day is out of range for month"),
    ('{"key": "x"}', "/key", "should be a UUID, such as 6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11"),
    ('{"flag": 1}', "/flag", "Input should be a valid boolean"),
    ('{"document": {"a": 1}}', "/document", 'should have an operator, such as {"$eq": ...}; found an object without one'),
    ('{"document": "x"}', "/document", "Input should be a valid dictionary"),
    ('{"document.a": {"$gt": 1}}', "/document.a/$gt", "does not apply to document, which is a JSON field; use $eq, $ne or $null"),
    ('{"document.": 1}', "/document.", "should be a path of 1 to 32 names, each after one dot"),
    ('{"document.\\u0000": 1}', "/document.\0", "contains the character U+0000, which PostgreSQL cannot store; leave it out"),
    ('{"document.a": "\\u0000"}', "/document.a", "contains the character U+0000, which PostgreSQL cannot store; leave it out"),
    ('{"text.a": 1}', "/text.a", "is a path, but text is no JSON field: it is text; write text alone"),
    (
        _in(9, {"id": 1}),
        "/$not" * 9,
        "is level 9 of $and, $or and $not; a filter has at most 8. Put conditions side by side",
    ),
    (
        json.dumps({"$or": [{"id": number} for number in range(101)]}),
        "/$or/100/id",
        "is condition 101 of the filter, which may have 100. Compare one field with many values by $in, or ask in parts",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "pointer", "fault"), FAULTS)
async def test_what_is_wrong_with_a_filter_is_explained_at_its_place(
    sample_rows: aiohttp.ClientSession, text: str, pointer: str, fault: str
) -> None:
    expected = invalid((f"/query/filter{pointer}", fault))
    for path in ("/v1/sample", "/v1/sample/count"):
        response = await sample_rows.get(path, params={"filter": text})
        assert (response.status, await problem(response)) == (422, expected)
    if not fault.startswith("cannot be read"):
        response = await sample_rows.post("/v1/sample/query", data=f'{{"filter": {text}}}', headers=JSON)
        assert (response.status, await problem(response)) == (422, invalid((f"/body/filter{pointer}", fault)))


async def test_a_filter_may_be_as_deep_and_as_long_as_its_limits(sample_rows: aiohttp.ClientSession) -> None:
    assert await _ids(sample_rows, json.loads(_in(8, {"id": 1}))) == [1]
    assert await _ids(sample_rows, {"$or": [{"id": number} for number in range(100)]}) == list(range(1, 61))
    many = {"filter": {"id": {"$in": list(range(-20_000, 3))}}, "fields": ["id"]}
    assert (await (await sample_rows.post("/v1/sample/query", json=many)).json())["items"] == [{"id": 1}, {"id": 2}]


async def test_ten_faults_of_a_filter_are_named(sample_rows: aiohttp.ClientSession) -> None:
    document = {f"x{number}": 1 for number in range(30)}
    text = f"is no field of Sample; its fields are {NAMES}"
    assert await _fault(sample_rows, json.dumps(document)) == invalid(
        *[(f"/query/filter/x{number}", text) for number in range(10)]
    )


@pytest.mark.parametrize("query", ['filter={"text":"%FF"}', 'filter={"text":"%C3"}', "order=%ED%A0%80"])
@pytest.mark.parametrize("path", ["", "/count"])
async def test_an_address_that_would_be_read_otherwise_than_sent_is_refused(
    sample_rows: aiohttp.ClientSession, path: str, query: str
) -> None:
    if path and "order" in query:
        query = query.replace("order", "filter")
    url = URL(f"/v1/sample{path}?{query}", encoded=True)
    fault = ("/query", "should be ASCII, with other characters in UTF-8 and percent-encoded")
    assert await problem(await sample_rows.get(url)) == invalid(fault)


ORDER_FAULTS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"order": "nmae"}, [("order", f"has 'nmae', which is no field of Sample; its fields are {NAMES}")]),
    ({"order": "text,-text"}, [("order", "has 'text' more than once; name a field once")]),
    ({"order": "text, id"}, [("order", f"has ' id', which is no field of Sample; its fields are {NAMES}")]),
    ({"order": "document"}, [("order", "has 'document', a JSON field, which has no order; leave it out")]),
    ({"fields": ""}, [("fields", f"has '', which is no field of Sample; its fields are {NAMES}")]),
    ({"fields": "id,id"}, [("fields", "has 'id' more than once; name a field once")]),
    ({"fields": "--"}, [("fields", f"has '--', which is no field of Sample; its fields are {NAMES}")]),
    ({"after": "x"}, [("after", "should be an integer in decimal digits, without a leading zero or plus sign")]),
    (
        {"order": "text", "after": "1"},
        [("after", "is no `next` of a page in the order text,id; send the `next` of such a page unchanged")],
    ),
    (
        {"order": "x", "fields": "y"},
        [
            ("fields", f"has 'y', which is no field of Sample; its fields are {NAMES}"),
            ("order", f"has 'x', which is no field of Sample; its fields are {NAMES}"),
        ],
    ),
]


@pytest.mark.parametrize(("query", "faults"), ORDER_FAULTS)
async def test_what_is_wrong_with_fields_order_and_place_is_explained(
    sample_rows: aiohttp.ClientSession, query: dict[str, Any], faults: list[tuple[str, str]]
) -> None:
    address = await problem(await sample_rows.get("/v1/sample", params=query))
    assert address == invalid(*[(f"/query/{name}", text) for name, text in faults])
    body = await problem(await sample_rows.post("/v1/sample/query", json=query))
    assert body == invalid(*[(f"/body/{name}", text) for name, text in faults])
