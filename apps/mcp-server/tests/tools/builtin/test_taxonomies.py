import json

from mcp_clients import McpClient, call_tool, failure_of, success_of
from stack import Stack, answering

LOADED = [
    {"name": "unspsc", "version": "26.0", "default": False, "imported_at": None},
    {"name": "unspsc", "version": "starter", "default": True},
]
NUTS = {"code": "31161700", "level": "class", "title": "Nuts"}


def _load(stack: Stack) -> None:
    stack.misbehave["/v1/taxonomies"] = answering(200, json.dumps({"taxonomies": LOADED}))


async def test_taxonomies_are_listed_without_nulls(mcp: McpClient, stack: Stack) -> None:
    _load(stack)
    expected = {"taxonomies": [{"name": "unspsc", "version": "26.0", "default": False}, LOADED[1]]}
    assert await call_tool(mcp, "list_taxonomies") == success_of(mcp, expected)


async def test_codes_are_searched_in_the_default_version_unless_told(mcp: McpClient, stack: Stack) -> None:
    _load(stack)
    assert await call_tool(mcp, "search_codes", query="nuts") == success_of(mcp, {"items": [NUTS]})
    arguments = {"query": "3116", "taxonomy": "etim", "version": "9.0", "limit": 3, "after": "x"}
    assert await call_tool(mcp, "search_codes", **arguments) == success_of(mcp, {"items": [NUTS]})
    assert stack.requests["/v1/taxonomies/unspsc/starter/search"] == [{"query": {"q": "nuts", "limit": "20"}}]
    assert stack.requests["/v1/taxonomies/etim/9.0/search"] == [{"query": {"q": "3116", "limit": "3", "after": "x"}}]


async def test_a_code_is_read_with_its_place(mcp: McpClient, stack: Stack) -> None:
    _load(stack)
    code = NUTS | {"definition": None, "path": [NUTS], "children": [], "features": []}
    stack.misbehave["/v1/taxonomies/unspsc/starter/codes/31161700"] = answering(200, json.dumps(code))
    expected = NUTS | {"path": [NUTS], "children": [], "features": []}
    assert await call_tool(mcp, "get_code", code="31161700") == success_of(mcp, expected)


async def test_a_taxonomy_without_a_version_is_reported(mcp: McpClient, stack: Stack) -> None:
    _load(stack)
    reason = "There is no version of etim to read. Call list_taxonomies for those that are there."
    assert await call_tool(mcp, "get_code", code="EC000001", taxonomy="etim") == failure_of(mcp, reason)
    stack.misbehave["/v1/taxonomies"] = answering(200, '{"taxonomies": 5}')
    assert await call_tool(mcp, "get_code", code="EC000001", taxonomy="etim") == failure_of(mcp, reason)
