"""Tools on the products in dataflow-service."""

from typing import Any

from jsonschema import Draft202012Validator

from mcp_server.tools.builtin.upstream import Upstream, present
from mcp_server.tools.registry import Arguments, Tool
from mcp_server.tools.request import Request

MAX_LEVELS = 33
"""Levels of a row: itself, and the 32 that dataflow-service allows in a field."""

_PRODUCT = {
    "type": "object",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string"},
        "unspsc_code": {"type": "string"},
        "etim_class": {"type": "string"},
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
_OMITTED = {
    "type": "array",
    "items": {"type": "string"},
    "description": "Ids of products on this page that cannot be shown; absent when all are shown.",
}
_PAGE_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": _PRODUCT},
        "omitted": _OMITTED,
        "next": {"type": "string", "description": "What to send as `after` for the next page; absent at the end."},
    },
    "required": ["items"],
}
_ONE_INPUT = {
    "type": "object",
    "properties": {"id": {"type": "integer", "minimum": 1}},
    "required": ["id"],
    "additionalProperties": False,
}
_row = Draft202012Validator(_PRODUCT)


def product_tools(dataflow: Upstream) -> list[Tool]:
    """Return the tools."""

    async def list_products(arguments: Arguments, request: Request) -> object:
        query = {"limit": str(arguments.get("limit", 50))}
        if "after" in arguments:
            query["after"] = arguments["after"]
        return _page(await dataflow.request("GET", "/v1/product", request, query=query))

    async def get_product(arguments: Arguments, request: Request) -> object:
        return present(await dataflow.request("GET", f"/v1/product/{int(arguments['id'])}", request))

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


def _page(answer: Any) -> object:  # noqa: ANN401 - any JSON value
    """Return a page with its rows that can be shown: a single bad row does not make the others unreadable."""
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        return answer
    page: dict[str, Any] = present(answer) | {"items": []}
    for row in answer["items"]:
        shown = present(row)
        if _can_be_shown(shown):
            page["items"].append(shown)
        else:
            page.setdefault("omitted", []).append(_id_of(row))
    return page


def _can_be_shown(row: object) -> bool:
    return _depth_within(row, MAX_LEVELS) and _row.is_valid(row)


def _depth_within(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    members = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_depth_within(member, levels - 1) for member in members)


def _id_of(row: object) -> str:
    return str(row["id"])[:40] if isinstance(row, dict) and "id" in row else "unknown"
