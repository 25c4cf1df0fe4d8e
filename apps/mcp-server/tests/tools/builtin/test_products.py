import json
from typing import Any

import pytest
from mcp_clients import McpClient, call_tool, failure_of, success_of
from stack import PRODUCT, Stack, answering

NUT = {"id": 1, "name": "Hex nut M8"}


async def test_stored_products_are_read(mcp: McpClient, stack: Stack) -> None:
    assert PRODUCT == NUT | {"unspsc_code": None, "etim_class": None}
    assert await call_tool(mcp, "list_products") == success_of(mcp, {"items": [NUT]})
    assert await call_tool(mcp, "list_products", limit=7, after="12") == success_of(mcp, {"items": [NUT]})
    assert [request["query"] for request in stack.requests["/v1/product"]] == [
        {"limit": "50"},
        {"limit": "7", "after": "12"},
    ]
    assert await call_tool(mcp, "get_product", id=1) == success_of(mcp, NUT)
    assert await call_tool(mcp, "get_product", id=2) == failure_of(
        mcp, "dataflow-service refuses the call (404): There is no such row: There is no product with the id 2."
    )


def _nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def _page(*rows: str) -> str:
    return f'{{"items": [{", ".join(rows)}], "next": "3"}}'


@pytest.mark.parametrize(
    ("row", "omitted"),
    [
        (f'{{"id": 2, "name": "deep", "attributes": {_nested(33)}}}', "2"),
        (f'{{"id": 2, "name": "deeper", "attributes": {_nested(500)}}}', "2"),
        ('{"id": 2, "name": 7}', "2"),
        ('{"name": "without id"}', "unknown"),
        ("5", "unknown"),
    ],
)
async def test_a_row_that_cannot_be_shown_does_not_hide_the_others(
    mcp: McpClient, stack: Stack, row: str, omitted: str
) -> None:
    allowed = json.loads(_nested(32))
    last = {"id": 3, "name": "Bolt", "attributes": allowed}
    stack.misbehave["/v1/product"] = answering(200, _page(json.dumps(NUT), row, json.dumps(last)))
    content = {"items": [NUT, last], "next": "3", "omitted": [omitted]}
    assert await call_tool(mcp, "list_products") == success_of(mcp, content)


async def test_a_page_of_the_largest_size_is_read(mcp: McpClient, stack: Stack) -> None:
    rows: list[dict[str, Any]] = [{"id": number, "name": "x" * 1024 * 1020} for number in range(4)]
    page = {"items": rows, "next": "3"}
    assert 4_000_000 < len(json.dumps(page)) < 4 * 1024 * 1024
    stack.misbehave["/v1/product"] = answering(200, json.dumps(page))
    assert await call_tool(mcp, "list_products") == success_of(mcp, page)
