from collections.abc import Iterator

import aiohttp
from definitions import BUILTIN, FOR_ALICE
from mcp_clients import HandshakeWebSocket, ModernWebSocket, error_response


async def test_tools_are_listed_with_schemas_in_both_eras(client: aiohttp.ClientSession) -> None:
    old, new = HandshakeWebSocket(client), ModernWebSocket(client)
    await old.open()
    await new.open()
    listed = (await old.request("tools/list"))["result"]
    assert (list(listed), [tool["name"] for tool in listed["tools"]]) == (["tools"], FOR_ALICE)
    for tool in listed["tools"]:
        assert set(tool) == {"name", "title", "description", "inputSchema", "outputSchema", "annotations"}
        assert tool["inputSchema"]["type"] == tool["outputSchema"]["type"] == "object"
    assert (await new.request("tools/list"))["result"] == {
        **new.result_extras,
        **listed,
        "ttlMs": 60000,
        "cacheScope": "private",
    }
    assert await old.request("tools/list", {"cursor": "x"}) == error_response(
        -32602, "There is only one page of tools; leave the cursor out"
    )


async def test_no_schema_has_a_union_of_types(client: aiohttp.ClientSession) -> None:
    tools = (await (await client.get("/v1/tools")).json())["items"]
    assert [tool["name"] for tool in tools] == BUILTIN
    assert [name for tool in tools for name in _unions(tool)] == []


def _unions(schema: object) -> Iterator[str]:
    """Whatever some clients refuse: lists of types, and combinations of schemas."""
    if isinstance(schema, list):
        for member in schema:
            yield from _unions(member)
    if isinstance(schema, dict):
        yield from (name for name in ("anyOf", "oneOf", "allOf") if name in schema)
        yield from (f"type {member}" for name, member in schema.items() if name == "type" and isinstance(member, list))
        for member in schema.values():
            yield from _unions(member)
