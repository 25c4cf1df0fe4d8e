import pytest
from aiohttp import web
from conftest import SCOPES
from mcp_clients import McpClient, call_tool, failure_of, success_of
from stack import Stack, answering, hang_up

from nexus_testkit import Issuer

NUT = {"id": 1, "name": "Hex nut", "supplier": None}
BOLT = {"id": 2, "name": "Bolt", "supplier": "Norm"}
NO_ROWS = [(200, ""), (204, ""), (200, "[]"), (200, "{}"), (200, '{"id": 1'), (201, '{"id": 1}')]


@pytest.fixture
def token(issuer: Issuer) -> str:
    """A token that may change rows."""
    return issuer.mint("mcp-server", [*SCOPES, "data:write"])


@pytest.fixture(autouse=True)
def _rows(stack: Stack) -> None:
    stack.rows["Product"] = [dict(NUT), dict(BOLT)]


async def test_models_are_listed(mcp: McpClient) -> None:
    assert await call_tool(mcp, "list_models") == success_of(mcp, {"items": [{"name": "Product"}, {"name": "Price"}]})


async def test_rows_are_read_page_by_page(mcp: McpClient, stack: Stack) -> None:
    first = {"items": [NUT], "next": "1"}
    assert await call_tool(mcp, "query_rows", model="Product", limit=1) == success_of(mcp, first)
    last = {"items": [BOLT]}
    assert await call_tool(mcp, "query_rows", model="Product", limit=1, after="1") == success_of(mcp, last)
    assert await call_tool(mcp, "query_rows", model="Product", filter={"supplier": "Norm"}) == success_of(mcp, last)
    assert [request["body"] for request in stack.requests["/v1/product/query"]] == [
        {"limit": 1},
        {"limit": 1, "after": "1"},
        {"limit": 50, "filter": {"supplier": "Norm"}},
    ]


async def test_all_parts_of_a_query_are_passed_on(mcp: McpClient, stack: Stack) -> None:
    groups = {"items": [{"group": {"supplier": "Norm"}, "count": {"*": 1}}], "next": None}
    seen = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(await request.json())
        return web.json_response(groups)

    stack.misbehave["/v1/product/query"] = answer
    parts = {
        "filter": {"name": {"$like": "B%"}},
        "search": "bolt",
        "fields": ["name"],
        "order": ["-name"],
        "aggregates": {"count": "*"},
        "group_by": ["supplier"],
        "limit": 7,
        "after": "x",
    }
    expected = success_of(mcp, {"items": groups["items"]})
    assert await call_tool(mcp, "query_rows", model="Product", **parts) == expected
    assert seen == [parts]


async def test_rows_are_created_changed_and_deleted_with_a_token_that_may_write(mcp: McpClient, stack: Stack) -> None:
    created = {"id": 3, "name": "Washer"}
    assert await call_tool(mcp, "create_row", model="Product", fields={"name": "Washer"}) == success_of(mcp, created)
    changed = {"id": 3, "name": "Washer M8"}
    answer = await call_tool(mcp, "update_row", model="Product", id="3", fields={"name": "Washer M8"})
    assert answer == success_of(mcp, changed)
    assert stack.products[2] == changed
    answer = await call_tool(mcp, "delete_row", model="Product", id="3")
    assert answer == success_of(mcp, {"deleted": True, "id": "3"})
    assert stack.products == [NUT, BOLT]
    assert {str(request["form"]["scope"]) for request in stack.requests["/oauth/token"]} == {"data:write"}


async def test_a_row_is_changed_only_in_the_version_that_was_read(mcp: McpClient, stack: Stack) -> None:
    stack.rows["Document"] = [{"id": 1, "name": "List", "note": None}]
    read = await call_tool(mcp, "get_row", model="Document", id="1")
    assert read == success_of(mcp, {"row": {"id": 1, "name": "List", "note": None}, "version": "0"})
    named = {"model": "Document", "id": "1", "version": "0"}
    changed = await call_tool(mcp, "update_row", **named, fields={"name": "Prices"})
    assert changed == success_of(mcp, {"id": 1, "name": "Prices", "note": None})
    reason = "dataflow-service refuses the call (412): The row has changed: It was changed since it was read."
    assert await call_tool(mcp, "update_row", **named, fields={"name": "Other"}) == failure_of(mcp, reason)
    assert await call_tool(mcp, "delete_row", **named) == failure_of(mcp, reason)
    assert stack.rows["Document"] == [{"id": 1, "name": "Prices", "note": None}]
    await call_tool(mcp, "delete_row", **named | {"version": "1"})
    assert stack.rows["Document"] == []


async def test_a_row_without_a_version_is_no_success(mcp: McpClient, stack: Stack) -> None:
    stack.misbehave["/v1/document/1"] = answering(200, '{"id": 1}')
    answer = await call_tool(mcp, "get_row", model="Document", id="1")
    reason = "The answer behind get_row does not agree with its output schema: (all): 'version' is a required property"
    assert answer == failure_of(mcp, reason)


async def test_a_row_that_is_not_there_is_reported(mcp: McpClient) -> None:
    reason = "dataflow-service refuses the call (404): There is no such row: No row has this id."
    assert await call_tool(mcp, "get_row", model="Document", id="9") == failure_of(mcp, reason)
    assert await call_tool(mcp, "update_row", model="Product", id="9", fields={"name": "x"}) == failure_of(mcp, reason)
    assert await call_tool(mcp, "delete_row", model="Product", id="9") == failure_of(mcp, reason)


async def test_an_id_cannot_leave_its_place_in_the_path(mcp: McpClient, stack: Stack) -> None:
    for row in ("a?b=c", "a#b", "%2e%2e", "a b", "ü"):
        await call_tool(mcp, "delete_row", model="Product", id=row)
    deletions = {path: noted for path, noted in stack.requests.items() if path.startswith("/v1/product/")}
    paths = [request["path"] for noted in deletions.values() for request in noted]
    assert [(path.count("/"), "?" in path) for path in paths] == [(3, False)] * 5
    assert [path for path in stack.requests if path not in deletions] == ["/oauth/token"]


async def test_an_id_of_dots_is_sent_nowhere(mcp: McpClient, stack: Stack) -> None:
    for row in (".", ".."):
        reason = f"There is no row with the id '{row}'. Send an id that query_rows returned."
        assert await call_tool(mcp, "delete_row", model="Product", id=row) == failure_of(mcp, reason)
    assert stack.requests == {}


async def test_an_answer_that_is_no_row_is_no_success(mcp: McpClient, stack: Stack) -> None:
    shapes = [answering(status, text) for status, text in NO_ROWS]
    for shape in (*shapes, hang_up):
        stack.misbehave["/v1/product/1"] = stack.misbehave["/v1/nodes/ProductCreateNode/execute"] = shape
        for tool, arguments in (("create_row", {}), ("update_row", {"id": "1"})):
            answer = await call_tool(mcp, tool, model="Product", fields={"name": "x"}, **arguments)
            assert "error" in answer or answer["result"]["isError"] is True


async def test_a_deletion_that_is_not_confirmed_is_no_success(mcp: McpClient, stack: Stack) -> None:
    for shape in (answering(202), answering(500), hang_up):
        stack.misbehave["/v1/product/1"] = shape
        answer = await call_tool(mcp, "delete_row", model="Product", id="1")
        assert answer["result"]["isError"] is True
