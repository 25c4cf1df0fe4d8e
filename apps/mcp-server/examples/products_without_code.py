"""Finds products without a UNSPSC code, and queues them for review with the codes that they may have.

A product waits for review while its attribute `review.state` is `waiting`; a reviewer sets `unspsc_code` and the state. To see
what waits: GET /v1/product with the filter {"attributes.review.state": "waiting"}.
"""

from typing import Any

from parts import code, connect

_QUESTION = """
products = [{"id": str(row["id"]), "text": row["name"]} for row in items]
# The classifier wants one product at least; its answer about this one belongs to no row.
result = {"rows": items, "question": {"products": products or [{"text": "nothing"}], "top_k": 3}}
"""
_QUEUE = """
result = [
    {
        "id": row["id"],
        "attributes": {**(row.get("attributes") or {}), "review": {"state": "waiting", "candidates": item["candidates"]}},
    }
    for row, item in zip(rows, items)
]
"""
_WITHOUT_CODE = {"unspsc_code": {"$null": True}, "attributes.review.state": {"$null": True}}
_SUMMARY = """
result = {"queued": len(queued), "more": following is not None}
"""


VERSION: dict[str, Any] = {
    "definition": {
        "name": "products_without_code",
        "description": __doc__,
        "nodes": {
            "find": {"node_type": "ProductListNode", "config": {"filter": _WITHOUT_CODE}},
            "question": code(_QUESTION),
            "classify": {"node_type": "ToolNode", "config": {"tool": "classify_products"}},
            "queue": code(_QUEUE),
            "save": {"node_type": "ProductBulkUpdateNode", "config": {}},
            "summary": code(_SUMMARY),
        },
        "connections": [
            connect("find", "items", "question", "items"),
            connect("question", "result.question", "classify", "arguments"),
            connect("question", "result.rows", "queue", "rows"),
            connect("classify", "result.items", "queue", "items"),
            connect("queue", "result", "save", "data"),
            connect("save", "ids", "summary", "queued"),
            connect("find", "next", "summary", "following"),
        ],
    },
    "inputSchema": {
        "type": "object",
        "properties": {"limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 200}},
        "required": ["limit"],
        "additionalProperties": False,
    },
    "inputs": {"find": {"limit": "limit"}},
    "output": "summary.result",
    "outputSchema": {
        "type": "object",
        "properties": {"queued": {"type": "integer"}, "more": {"type": "boolean"}},
        "required": ["queued", "more"],
    },
    "timeout_seconds": 300,
}

DRY_RUN: dict[str, Any] = {
    "arguments": {"limit": 5},
    "outputs": {"ProductBulkUpdateNode": {"updated": 0, "ids": []}},
}
"""What the dry run is made with: arguments, and outputs of the nodes that would change data."""
