"""Definitions of tools, for tests that register them."""

from typing import Any

import aiohttp
from outside import Outside

type Definition = dict[str, Any]

BUILTIN = [
    "classify_products",
    "list_taxonomies",
    "search_codes",
    "get_code",
    "list_products",
    "get_product",
    "list_models",
    "query_rows",
    "get_row",
    "create_row",
    "update_row",
    "delete_row",
    "list_workflows",
    "get_workflow",
    "list_workflow_versions",
    "run_workflow",
    "get_workflow_run",
    "list_workflow_run_logs",
    "cancel_workflow_run",
]
"""The built-in tools, in the order of their list."""

OF_OTHERS = ["create_row", "update_row", "delete_row", "list_workflow_versions"]
"""Those that need the scopes `data:write` and `workflows:deploy`."""

FOR_ALICE = [name for name in BUILTIN if name not in OF_OTHERS]
"""Those that a token for calls of tools alone shows."""


def schema(*required: str, **properties: Any) -> dict[str, Any]:  # noqa: ANN401  any schema
    """A schema of arguments; those without a schema of their own are texts."""
    members = {name: {"type": "string"} for name in required} | properties
    return {"type": "object", "properties": members, "required": list(required), "additionalProperties": False}


def order_tool(outside: Outside, name: str = "get_order", **changes: Any) -> Definition:  # noqa: ANN401  any JSON value
    """A tool that reads an order."""
    http = {"method": "GET", "server": outside.url, "path": "/orders/{number}", **changes.pop("http", {})}
    common = {"name": name, "description": "Read an order.", "inputSchema": schema("number")}
    return {**common, **changes, "http": http}


async def register(client: aiohttp.ClientSession, definition: Definition) -> tuple[int, Any]:
    """Status and body that a registration is answered with."""
    response = await client.post("/v1/tools", json=definition)
    return response.status, await response.json(content_type=None)


async def registered(client: aiohttp.ClientSession) -> list[str]:
    """The names of the tools that are not built in."""
    items = (await (await client.get("/v1/tools")).json())["items"]
    return [tool["name"] for tool in items][len(BUILTIN) :]
