"""Imports a supplier's price list: products by their SKU, their UNSPSC codes where they are sure enough, and prices.

Sent again, it changes what has changed, and adds nothing twice.
"""

from typing import Any

from parts import code, connect

_PREPARE = """
rows = [{**row, "sku": row["sku"].strip(), "name": " ".join(row["name"].split())} for row in rows]
times = {row["sku"]: 0 for row in rows}
for row in rows:
    times[row["sku"]] += 1
if repeated := sorted(sku for sku, count in times.items() if count > 1):
    raise ValueError("the list has these SKUs more than once: " + ", ".join(repeated[:10]))
about = {"name": title, "currency": currency, "valid_from": valid_from}
result = {
    "products": [{"sku": row["sku"], "name": row["name"], "supplier": supplier} for row in rows],
    "question": {"products": [{"id": row["sku"], "text": row["name"]} for row in rows], "taxonomy": "unspsc"},
    "where": {"id": price_list},
    "create": about,
    "update": about,
    "prices": [row["price"] for row in rows],
}
"""
_CODES = """
result = [
    {"id": row_id, "unspsc_code": item["code"]}
    for row_id, item in zip(ids, items, strict=True)
    if item.get("code")
]
"""
_PRICES = """
result = [
    {"price_list_id": price_list, "product_id": row_id, "minimum_quantity": 1, "price": price}
    for row_id, price in zip(ids, prices, strict=True)
]
"""
_SUMMARY = """
result = {"products_added": added, "products_changed": changed, "classified": len(codes), "prices": len(prices)}
"""
_TEXT = {"type": "string", "minLength": 1}


VERSION: dict[str, Any] = {
    "definition": {
        "name": "import_price_list",
        "description": __doc__,
        "nodes": {
            "prepare": code(_PREPARE),
            "products": {"node_type": "ProductBulkUpsertNode", "config": {"conflict_on": ["sku"]}},
            "classify": {"node_type": "ToolNode", "config": {"tool": "classify_products"}},
            "codes": code(_CODES),
            "save_codes": {"node_type": "ProductBulkUpdateNode", "config": {}},
            "price_list": {"node_type": "PriceListUpsertNode", "config": {}},
            "prices": code(_PRICES),
            "save_prices": {
                "node_type": "PriceItemBulkUpsertNode",
                "config": {"conflict_on": ["price_list_id", "product_id", "minimum_quantity"]},
            },
            "summary": code(_SUMMARY),
        },
        "connections": [
            connect("prepare", "result.products", "products", "data"),
            connect("prepare", "result.question", "classify", "arguments"),
            connect("products", "ids", "codes", "ids"),
            connect("classify", "result.items", "codes", "items"),
            connect("codes", "result", "save_codes", "data"),
            connect("prepare", "result.where", "price_list", "where"),
            connect("prepare", "result.create", "price_list", "create"),
            connect("prepare", "result.update", "price_list", "update"),
            connect("price_list", "record.id", "prices", "price_list"),
            connect("products", "ids", "prices", "ids"),
            connect("prepare", "result.prices", "prices", "prices"),
            connect("prices", "result", "save_prices", "data"),
            connect("products", "created", "summary", "added"),
            connect("products", "updated", "summary", "changed"),
            connect("codes", "result", "summary", "codes"),
            connect("save_prices", "ids", "summary", "prices"),
        ],
    },
    "inputSchema": {
        "type": "object",
        "properties": {
            "rows": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": {
                    "type": "object",
                    "properties": {"sku": _TEXT, "name": _TEXT, "price": {"type": "number", "minimum": 0}},
                    "required": ["sku", "name", "price"],
                    "additionalProperties": False,
                },
            },
            "supplier": _TEXT,
            "price_list": {**_TEXT, "maxLength": 50, "description": "The id of the price list, of your own choice."},
            "name": {**_TEXT, "maxLength": 200},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "valid_from": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        },
        "required": ["rows", "supplier", "price_list", "name", "currency", "valid_from"],
        "additionalProperties": False,
    },
    "inputs": {
        "prepare": {
            "rows": "rows",
            "supplier": "supplier",
            "price_list": "price_list",
            "title": "name",  # `name` is the node's own
            "currency": "currency",
            "valid_from": "valid_from",
        }
    },
    "output": "summary.result",
    "outputSchema": {
        "type": "object",
        "properties": {
            name: {"type": "integer", "minimum": 0}
            for name in ("products_added", "products_changed", "classified", "prices")
        },
        "required": ["products_added", "products_changed", "classified", "prices"],
    },
    "timeout_seconds": 300,
}

DRY_RUN: dict[str, Any] = {
    "arguments": {
        "rows": [{"sku": "HN-8", "name": "Hex nut M8, steel", "price": 0.04}],
        "supplier": "Example Fasteners",
        "price_list": "example-2027",
        "name": "Example Fasteners, list prices 2027",
        "currency": "EUR",
        "valid_from": "2027-01-01",
    },
    "outputs": {
        "ProductBulkUpsertNode": {"created": 1, "updated": 0, "ids": [1]},
        "ProductBulkUpdateNode": {"updated": 1, "ids": [1]},
        "PriceListUpsertNode": {"created": True, "record": {"id": "example-2027"}},
        "PriceItemBulkUpsertNode": {"created": 1, "updated": 0, "ids": [1]},
    },
}
"""What the dry run is made with: arguments, and outputs of the nodes that would change data."""
