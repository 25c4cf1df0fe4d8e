"""Exports products as CSV, a page of up to 1000 at a time: `next` is the argument `after` of the next page, empty on the last.

`export.py` writes all pages to a file; a cron job runs it at night:

    0 2 * * *  NEXUS_TOKEN=$(get-token) python3 export.py > /srv/exports/products.csv
"""

from typing import Any

from parts import code, connect

_CSV = """
import csv
import io

columns = ["id", "sku", "name", "supplier", "unspsc_code", "etim_class", "updated_at"]
text = io.StringIO()
writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\\r\\n")
writer.writerows(items)
header = ",".join(columns) + "\\r\\n"
result = {"header": header, "csv": text.getvalue(), "rows": len(items), "next": following or ""}
"""


VERSION: dict[str, Any] = {
    "definition": {
        "name": "nightly_export",
        "description": __doc__,
        "nodes": {
            "list": {"node_type": "ProductListNode", "config": {"order_by": ["id"]}},
            "csv": code(_CSV),
        },
        "connections": [connect("list", "items", "csv", "items"), connect("list", "next", "csv", "following")],
    },
    "inputSchema": {
        "type": "object",
        "properties": {
            "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
            "after": {"type": "string", "description": "The `next` of the page before."},
        },
        "required": ["limit"],
        "additionalProperties": False,
    },
    "inputs": {"list": {"limit": "limit", "after": "after"}},
    "output": "csv.result",
    "outputSchema": {
        "type": "object",
        "properties": {
            "header": {"type": "string"},
            "csv": {"type": "string"},
            "rows": {"type": "integer"},
            "next": {"type": "string", "description": "Empty on the last page."},
        },
        "required": ["header", "csv", "rows", "next"],
    },
    "timeout_seconds": 60,
}

DRY_RUN: dict[str, Any] = {"arguments": {"limit": 5}, "outputs": {}}
"""What the dry run is made with."""
