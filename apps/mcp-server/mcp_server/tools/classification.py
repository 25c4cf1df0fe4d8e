"""Tools on classification-service."""

from typing import Any

from mcp_server.tools.registry import Arguments, Tool
from mcp_server.upstream.service import Upstream
from nexus_chassis.tokens import Principal

_PRODUCT = {
    "type": ["string", "object"],
    "minLength": 1,
    "properties": {
        "id": {"type": "string", "description": "Your own identifier; the result carries it."},
        "text": {"type": "string", "minLength": 1, "description": "Name or description of the product."},
        "attributes": {"type": "object", "description": "Further facts, such as thread or material."},
        "language": {"type": "string", "description": "BCP 47 tag of the text; English when absent."},
    },
    "required": ["text"],
    "additionalProperties": False,
}
_INPUT = {
    "type": "object",
    "properties": {
        "products": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1000,  # before items: keywords are checked in this order, and too many products end the check
            "items": _PRODUCT,
            "description": "Each a product name, or an object with a text and more.",
        },
        "taxonomy": {"type": "string", "enum": ["unspsc", "etim"], "default": "unspsc"},
        "top_k": {
            "type": "integer",
            "minimum": 1,
            "maximum": 20,
            "default": 5,
            "description": "How many candidate codes to give for each product.",
        },
    },
    "required": ["products"],
    "additionalProperties": False,
}
_CODE = {"type": ["string", "null"]}
_CONFIDENCE = {"type": ["number", "null"], "minimum": 0, "maximum": 1}
_CANDIDATE = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "title": {"type": "string"}, "confidence": _CONFIDENCE},
    "required": ["code", "title", "confidence"],
}
_ITEM = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "Place of the product in the call."},
        "id": {"type": ["string", "null"]},
        "code": _CODE,
        "title": {"type": ["string", "null"]},
        "level": {"type": ["string", "null"]},
        "confidence": _CONFIDENCE,
        "candidates": {"type": "array", "items": _CANDIDATE},
    },
    "required": ["code", "confidence", "candidates"],
}
_OUTPUT = {
    "type": "object",
    "properties": {
        "taxonomy": {"type": "string"},
        "version": {"type": "string"},
        "items": {"type": "array", "items": _ITEM, "description": "One result per product, in the order of the call."},
    },
    "required": ["taxonomy", "items"],
}


def classification_tools(classification: Upstream) -> list[Tool]:
    """Make the tools."""

    async def classify_products(arguments: Arguments, caller: Principal) -> Any:  # noqa: ANN401 - any JSON value
        body = {
            "items": [_item(product) for product in arguments["products"]],
            "taxonomy": arguments.get("taxonomy", "unspsc"),
            "top_k": arguments.get("top_k", 5),
        }
        return await classification.request("POST", "/v1/classify", caller, body=body)

    return [
        Tool(
            name="classify_products",
            title="Classify products",
            description=(
                "Find the UNSPSC or ETIM code of products from their names. Gives for each product the deepest code "
                "that is sure enough, its confidence between 0 and 1, and candidates."
            ),
            input_schema=_INPUT,
            output_schema=_OUTPUT,
            scopes=frozenset({classification.scope}),
            run=classify_products,
        )
    ]


def _item(product: str | dict[str, Any]) -> dict[str, Any]:
    return {"text": product} if isinstance(product, str) else product
