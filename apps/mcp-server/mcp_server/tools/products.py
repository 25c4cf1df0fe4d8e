"""Tools on the products in dataflow-service."""

from typing import Any

from mcp_server.tools.registry import Arguments, Tool
from mcp_server.upstream.service import Upstream
from nexus_chassis.tokens import Principal

_PRODUCT = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "unspsc_code": {"type": ["string", "null"]},
        "etim_class": {"type": ["string", "null"]},
    },
    "required": ["id", "name"],
}
_PAGE_INPUT = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 1, "maximum": 200, "default": 50},
        "after": {"type": "string", "pattern": "^[0-9]+$", "description": "The `next` of the page before."},
    },
    "additionalProperties": False,
}
_PAGE_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": _PRODUCT},
        "next": {
            "type": ["string", "null"],
            "description": "What to send as `after` for the next page; null at the end.",
        },
    },
    "required": ["items", "next"],
}
_ONE_INPUT = {
    "type": "object",
    "properties": {"id": {"type": "integer", "minimum": 1}},
    "required": ["id"],
    "additionalProperties": False,
}


def product_tools(dataflow: Upstream) -> list[Tool]:
    """Make the tools."""

    async def list_products(arguments: Arguments, caller: Principal) -> Any:  # noqa: ANN401 - any JSON value
        query = {"limit": str(arguments.get("limit", 50))}
        if "after" in arguments:
            query["after"] = arguments["after"]
        return await dataflow.request("GET", "/v1/product", caller, query=query)

    async def get_product(arguments: Arguments, caller: Principal) -> Any:  # noqa: ANN401 - any JSON value
        return await dataflow.request("GET", f"/v1/product/{int(arguments['id'])}", caller)

    return [
        Tool(
            name="list_products",
            title="List products",
            description="Read the stored products page by page, in the order in which they were created.",
            input_schema=_PAGE_INPUT,
            output_schema=_PAGE_OUTPUT,
            scopes=frozenset({dataflow.scope}),
            run=list_products,
        ),
        Tool(
            name="get_product",
            title="Get a product",
            description="Read one stored product by its id.",
            input_schema=_ONE_INPUT,
            output_schema=_PRODUCT,
            scopes=frozenset({dataflow.scope}),
            run=get_product,
        ),
    ]
