"""Rows with the rows that they refer to: `expand` of lists, of queries and of one row."""

import json
from collections.abc import Mapping

import aiohttp
import asyncpg
import pytest
from answers import problem

KNOWN = "There are: order_id, article_id."


@pytest.fixture
async def lines(shop: aiohttp.ClientSession, database: asyncpg.Connection) -> aiohttp.ClientSession:
    """Client of the shop with an order, its customer with exact values, an article and two lines, one without article."""
    notes = '{"number":100000000000000000000.5,"text":"x\\u2028ä","empty":[]}'
    customer = "INSERT INTO customers (id, name, notes) VALUES ('c', $1, $2::text::jsonb)"
    await database.execute(customer, "n\u2028", notes)
    await database.execute(
        "INSERT INTO articles (id, title) VALUES ('6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11', 'A');"
        "INSERT INTO sales_orders (customer_id) VALUES ('c');"
        "INSERT INTO sales_lines (order_id, article_id) VALUES (1, '6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11'), (1, NULL)"
    )
    return shop


async def _bytes(client: aiohttp.ClientSession, path: str, parameters: Mapping[str, str] | None = None) -> bytes:
    response = await client.get(path, params=parameters)
    assert response.status == 200, await response.text()
    return await response.read()


async def test_related_rows_have_the_bytes_of_their_own_endpoints(lines: aiohttp.ClientSession) -> None:
    order, customer = await _bytes(lines, "/v1/salesorder/1"), await _bytes(lines, "/v1/customer/c")
    expected = b'%b,"customer":%b}' % (order[:-1], customer)
    assert await _bytes(lines, "/v1/salesorder/1?expand=customer_id") == expected
    page = b'{"items":[%b],"next":null}' % expected
    assert await _bytes(lines, "/v1/salesorder?expand=customer_id") == page
    response = await lines.post("/v1/salesorder/query", json={"expand": ["customer_id"]})
    assert await response.read() == page
    assert b"100000000000000000000.5" in page


async def test_several_relations_are_answered_by_their_names_and_null_where_there_is_no_row(
    lines: aiohttp.ClientSession,
) -> None:
    page = json.loads(await _bytes(lines, "/v1/salesline?expand=order_id,article_id&fields=id"))
    order = json.loads(await _bytes(lines, "/v1/salesorder/1"))
    article = json.loads(await _bytes(lines, "/v1/article/6f1d3c54-5e0b-4c29-9a3e-0b6a3f7d2c11"))
    assert page["items"] == [{"id": 1, "order": order, "sold": article}, {"id": 2, "order": order, "sold": None}]


async def test_filters_orders_and_pages_are_those_of_the_rows_themselves(lines: aiohttp.ClientSession) -> None:
    parameters = {"expand": "order_id", "filter": '{"order_id": 1}', "order": "-id", "limit": "1", "fields": "id"}
    first = json.loads(await _bytes(lines, "/v1/salesline", parameters))
    second = json.loads(await _bytes(lines, "/v1/salesline", parameters | {"after": first["next"]}))
    assert [item["id"] for page in (first, second) for item in page["items"]] == [2, 1]
    assert second["next"] is None


async def test_a_page_ends_early_for_large_related_rows(
    lines: aiohttp.ClientSession, database: asyncpg.Connection
) -> None:
    await database.execute("UPDATE customers SET name = repeat('x', 60000)")
    await database.execute("INSERT INTO sales_orders (customer_id) SELECT 'c' FROM generate_series(1, 99)")
    page = await _bytes(lines, "/v1/salesorder?expand=customer_id&limit=1000")
    found = json.loads(page)
    assert (len(found["items"]), found["next"]) == (18, "18")
    assert len(page) < 1.2 * 1024 * 1024


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/salesline?expand=customer_id", None),
        ("/v1/salesline?expand=", None),
        ("/v1/salesline/1?expand=order", None),
        ("/v1/salesline/query", {"expand": "order_id,id"}),
    ],
)
async def test_a_field_without_relation_is_refused(
    lines: aiohttp.ClientSession, path: str, body: dict[str, str] | None
) -> None:
    response = await (lines.get(path) if body is None else lines.post(path, json=body))
    found = await problem(response)
    assert (found["status"], found["type"]) == (400, "urn:nexus:problem:no-such-relation")
    assert (found["known"], str(found["detail"]).endswith(KNOWN)) == (["order_id", "article_id"], True)


async def test_a_relation_is_expanded_once_and_groups_are_not(lines: aiohttp.ClientSession) -> None:
    twice = await problem(await lines.get("/v1/salesline?expand=order_id,order_id"))
    assert twice["detail"] == "/query/expand: has a field more than once; name a field once"
    body = {"expand": "order_id", "aggregates": {"count": "*"}}
    groups = await problem(await lines.post("/v1/salesline/query", json=body))
    assert groups["errors"] == [
        {
            "pointer": "/body/expand",
            "detail": "does not go with aggregates; name the fields of a group in group_by",
        }
    ]
    no_list = await problem(await lines.post("/v1/salesline/query", json={"expand": 1}))
    assert (no_list["status"], no_list["type"]) == (422, "urn:nexus:problem:invalid-request")


async def test_an_expanded_row_has_no_entity_tag_and_a_missing_one_is_missing(lines: aiohttp.ClientSession) -> None:
    headers = {"If-None-Match": '"1"'}
    assert (await lines.get("/v1/salesline/1", headers=headers)).status == 304
    response = await lines.get("/v1/salesline/1?expand=order_id", headers=headers)
    assert (response.status, "ETag" in response.headers) == (200, False)
    assert (await lines.get("/v1/salesline/9?expand=order_id")).status == 404


async def test_the_document_has_the_parameter_and_the_related_rows(lines: aiohttp.ClientSession) -> None:
    document = await (await lines.get("/openapi.json")).json()
    assert "expand" in [one["name"] for one in document["paths"]["/v1/salesline"]["get"]["parameters"]]
    line = document["components"]["schemas"]["SalesLine"]
    assert line["properties"]["sold"] == {
        "anyOf": [{"$ref": "#/components/schemas/Article"}, {"type": "null"}],
        "description": "with expand=article_id",
    }
    assert "sold" not in line["required"]
