"""POST /v1/{model}/query: rows for filters too long for an address, and groups of rows."""

import json
from typing import Any

import aiohttp
import asyncpg
import pytest
from answers import JSON, invalid, problem

from nexus_testkit import Issuer

NAMES = "id, text, flag, whole, real, exact, moment, day, key, document, always, created_at, updated_at"
PATH = "/v1/sample/query"


async def _query(client: aiohttp.ClientSession, **body: Any) -> Any:  # noqa: ANN401 - any JSON value
    response = await client.post(PATH, json=body)
    assert response.status == 200, await response.text()
    return await response.json()


async def test_an_empty_query_is_the_first_page(sample_rows: aiohttp.ClientSession) -> None:
    assert await _query(sample_rows) == await (await sample_rows.get("/v1/sample")).json()
    first = await _query(sample_rows, limit=7, after=None)
    assert first == await (await sample_rows.get("/v1/sample?limit=7")).json()
    assert [row["id"] for row in (await _query(sample_rows, limit=2, after=first["next"]))["items"]] == [8, 9]


async def test_names_are_an_array_or_a_string_with_commas(sample_rows: aiohttp.ClientSession) -> None:
    page = await _query(sample_rows, fields=["text", "id"], order=["-text", "id"], limit=3)
    assert page == await _query(sample_rows, fields="text,id", order="-text,id", limit=3)
    assert [row["text"] for row in page["items"]] == [None] * 3


async def test_special_values_written_by_others_stop_no_walk(
    sample_rows: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute(
        "TRUNCATE samples RESTART IDENTITY; INSERT INTO samples (real, exact, moment, day) VALUES "
        "('NaN', 'NaN', 'infinity', 'infinity'), ('Infinity', 'Infinity', '9999-12-31T23:59:59.999999Z', '9999-12-31'), "
        "('-Infinity', '-Infinity', '-infinity', '-infinity'), (NULL, NULL, NULL, NULL), "
        "(0, 0, '0001-01-01T00:00:00Z', '0001-01-01'), ('NaN', 'NaN', 'infinity', 'infinity')"
    )
    page = await _query(sample_rows, fields="moment,day", limit=3)
    assert [(row["moment"], row["day"]) for row in page["items"]] == [
        ("infinity", "infinity"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31"),
        ("-infinity", "-infinity"),
    ]
    for field in ("real", "exact", "moment", "day"):
        for order, expected in ((field, [3, 5, 2, 1, 6, 4]), (f"-{field}", [4, 1, 6, 2, 5, 3])):
            ids: list[int] = []
            after = None
            while True:
                page = await _query(sample_rows, order=order, fields="id", limit=1, after=after)
                ids += [row["id"] for row in page["items"]]
                if (after := page["next"]) is None:
                    break
            assert ids == expected


async def test_rows_of_a_walk_that_are_deleted_or_added_disturb_no_other(
    sample_rows: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    first = await _query(sample_rows, order="-always,id", fields="id", limit=20)
    await database.execute("DELETE FROM samples WHERE id = 20; INSERT INTO samples (id, always) VALUES (0, 'y')")
    rest = await _query(sample_rows, order="-always,id", fields="id", limit=100, after=first["next"])
    assert [row["id"] for row in first["items"] + rest["items"]] == list(range(1, 61))


async def test_a_place_keeps_a_long_text_exactly(
    sample_rows: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    texts = ["\U0001f529" * 15_000 + end for end in ("a", "b", "c")]
    await database.execute("TRUNCATE samples RESTART IDENTITY")
    await database.executemany("INSERT INTO samples (text) VALUES ($1)", [(text,) for text in texts])
    page = await _query(sample_rows, order="text", fields="id", limit=2)
    assert await _query(sample_rows, order="text", fields="id", after=page["next"]) == {
        "items": [{"id": 3}],
        "next": None,
    }


async def test_functions_of_all_rows_and_of_groups(sample_rows: aiohttp.ClientSession) -> None:
    rows = [
        {"text": "a", "whole": 2**62, "exact": "0.10", "real": 0.5, "always": "x"},
        {"text": "a", "whole": 2**62, "exact": "0.25", "real": 0.25, "always": "x"},
        {"text": None, "whole": None, "exact": "1", "real": 1.0, "always": "y"},
    ]
    for row in rows:
        assert (await sample_rows.post("/v1/sample", json=row)).status == 201
    new = {"id": {"$gt": 60}}
    aggregates = {"count": "*", "sum": "whole,exact,real", "avg": ["whole"], "min": ["text"], "max": ["exact"]}
    assert await _query(sample_rows, filter=new, aggregates=aggregates) == {
        "items": [
            {
                "group": {},
                "count": {"*": 3},
                "sum": {"whole": 2**63, "exact": "1.35", "real": 1.75},
                "avg": {"whole": "4611686018427387904"},
                "min": {"text": "a"},
                "max": {"exact": "1"},
            }
        ],
        "next": None,
    }
    groups = {"aggregates": {"count": "*", "sum": "whole"}, "group_by": ["text", "always"], "filter": new}
    first = await _query(sample_rows, **groups, order="-text", limit=1)
    assert first["items"] == [{"group": {"text": None, "always": "y"}, "count": {"*": 1}, "sum": {"whole": None}}]
    assert await _query(sample_rows, **groups, order="-text", limit=1, after=first["next"]) == {
        "items": [{"group": {"text": "a", "always": "x"}, "count": {"*": 2}, "sum": {"whole": 2**63}}],
        "next": None,
    }


async def test_no_rows_are_one_result_without_groups_and_none_with_them(sample_rows: aiohttp.ClientSession) -> None:
    nothing = {"filter": {"id": {"$in": []}}, "aggregates": {"count": "*", "max": "day"}}
    assert (await _query(sample_rows, **nothing))["items"] == [{"group": {}, "count": {"*": 0}, "max": {"day": None}}]
    assert await _query(sample_rows, **nothing, group_by=["text"]) == {"items": [], "next": None}


async def test_a_sum_beyond_a_double_is_refused(sample_rows: aiohttp.ClientSession) -> None:
    response = await sample_rows.post(PATH, json={"aggregates": {"sum": "real"}, "filter": {"real": 1e308}})
    assert (response.status, await problem(response)) == (
        422,
        {
            "type": "urn:nexus:problem:not-computable",
            "title": "The result cannot be computed",
            "status": 422,
            "detail": "A sum or an average is beyond the range of its type, double precision. Leave it out, or narrow "
            "the query with a filter.",
        },
    )
    assert (await _query(sample_rows, aggregates={"count": "*"}))["items"][0]["count"] == {"*": 60}


async def test_groups_end_early_at_one_mebibyte_and_lose_none(
    sample_rows: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute(
        "TRUNCATE samples; INSERT INTO samples (text) SELECT to_char(n, 'FM00') || repeat('x', 60000) "
        "FROM generate_series(1, 40) AS n"
    )
    body: dict[str, Any] = {"aggregates": {"count": "*"}, "group_by": ["text"], "limit": 1000}
    found: list[str] = []
    sizes = []
    after = None
    while True:
        page = await _query(sample_rows, **body, after=after)
        sizes.append(len(page["items"]))
        found += [group["group"]["text"][:2] for group in page["items"]]
        if (after := page["next"]) is None:
            break
    assert (sizes, found) == ([18, 18, 4], [f"{number:02}" for number in range(1, 41)])


FUNCTIONS = "count, sum, min, max, avg"
FAULTS: list[tuple[Any, list[tuple[str, str]]]] = [
    ([], [("", "should be an object")]),
    ({"filters": {}}, [("/filters", "is no part of a query; its parts are aggregates, after, expand, fields, filter, group_by, limit, order, search")]),
    ({"filter": None}, [("/filter", 'should be an object, such as {"id": 1}; found null')]),
    ({"limit": 0}, [("/limit", "should be a whole number from 1 to 1000")]),
    ({"limit": True}, [("/limit", "should be a whole number from 1 to 1000")]),
    ({"limit": "5"}, [("/limit", "should be a whole number from 1 to 1000")]),
    ({"after": 5}, [("/after", "should be the `next` of a page, a string")]),
    ({"fields": []}, [("/fields", "should be an array with names of fields, or a string with commas between them")]),
    ({"order": [1]}, [("/order", "should be an array with names of fields, or a string with commas between them")]),
    ({"group_by": "text"}, [("/aggregates", 'should be an object such as {"count": "*", "sum": ["field"]}')]),
    ({"aggregates": {}}, [("/aggregates", 'should be an object such as {"count": "*", "sum": ["field"]}')]),
    ({"aggregates": ["count"]}, [("/aggregates", 'should be an object such as {"count": "*", "sum": ["field"]}')]),
    ({"aggregates": {"median": "whole"}}, [("/aggregates/median", f"is no function; they are {FUNCTIONS}")]),
    ({"aggregates": {"count": "text"}}, [("/aggregates/count", 'should be "*": it counts the rows; count values by a filter with $null')]),
    ({"aggregates": {"sum": "text"}}, [("/aggregates/sum", "has 'text', which is text; sum does not apply to it")]),
    ({"aggregates": {"avg": ["flag"]}}, [("/aggregates/avg", "has 'flag', which is boolean; avg does not apply to it")]),
    ({"aggregates": {"min": "document"}}, [("/aggregates/min", "has 'document', which is jsonb; min does not apply to it")]),
    ({"aggregates": {"max": "key,nmae"}}, [
        ("/aggregates/max", f"has 'nmae', which is no field of Sample; its fields are {NAMES}"),
        ("/aggregates/max", "has 'key', which is uuid; max does not apply to it"),
    ]),
    ({"aggregates": {"count": "*"}, "fields": "id"}, [("/fields", "does not go with aggregates; name the fields of a group in group_by")]),
    ({"aggregates": {"count": "*"}, "order": "id"}, [("/order", "has 'id', which is not in group_by; groups are ordered by what is there")]),
    ({"aggregates": {"count": "*"}, "group_by": ["document"]}, [("/group_by", "has 'document', a JSON field, which has no order; leave it out")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "faults"), FAULTS)
async def test_what_is_wrong_with_a_query_is_explained_at_its_place(
    sample_rows: aiohttp.ClientSession, body: object, faults: list[tuple[str, str]]
) -> None:
    response = await sample_rows.post(PATH, json=body)
    expected = invalid(*[(f"/body{pointer}", text) for pointer, text in faults])
    assert (response.status, await problem(response)) == (422, expected)


async def test_a_place_of_another_order_or_a_changed_one_is_refused(sample_rows: aiohttp.ClientSession) -> None:
    place = (await _query(sample_rows, order="real,text", limit=3))["next"]
    fault = "is no `next` of a page in the order {}; send the `next` of such a page unchanged"
    for order, after in [
        ("text,real", place),
        ("-real,text", place),
        ("real,text", place[:-4]),
        ("real,text", place + "AAAA"),
        ("real,text", "!" + place),
        ("real,text", ""),
        ("real,text", "bnVsbA"),
        ("real,text", "é"),
    ]:
        response = await sample_rows.post(PATH, json={"order": order, "after": after})
        assert await problem(response) == invalid(("/body/after", fault.format(f"{order},id"))), after


async def test_a_query_is_strict_json_of_one_declared_type_within_limits(sample_rows: aiohttp.ClientSession) -> None:
    for data, headers, status, slug in [
        (b'{"limit": 1, "limit": 2}', JSON, 422, "invalid-json"),
        (b'{"filter": {"id": 1, "id": 2}}', JSON, 422, "invalid-json"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
        (json.dumps({"filter": {"text": "x" * 262_144}}).encode(), JSON, 413, "body-too-large"),
    ]:
        response = await sample_rows.post(PATH, data=data, headers=headers)
        assert (response.status, (await problem(response))["type"]) == (status, f"urn:nexus:problem:{slug}")


async def test_ten_faults_of_a_query_are_named(sample_rows: aiohttp.ClientSession) -> None:
    unknown = [f"x{number}" for number in range(20_000)]
    for part in ("fields", "order"):
        expected = [
            (f"/body/{part}", f"has 'x{number}', which is no field of Sample; its fields are {NAMES}")
            for number in range(10)
        ]
        assert await problem(await sample_rows.post(PATH, json={part: unknown})) == invalid(*expected)
        repeated = await problem(await sample_rows.post(PATH, json={part: ["document"] * 20_000}))
        assert repeated == invalid((f"/body/{part}", "has 'document' more than once; name a field once"))


async def test_a_query_needs_the_scope_of_reading_alone(service: str, issuer: Issuer) -> None:
    for scope, status in (("data:read", 200), ("data:write", 403)):
        headers = {"Authorization": f"Bearer {issuer.mint('dataflow-service', {scope})}"}
        async with aiohttp.ClientSession(service, headers=headers) as client:
            assert (await client.post("/v1/product/query", json={})).status == status
