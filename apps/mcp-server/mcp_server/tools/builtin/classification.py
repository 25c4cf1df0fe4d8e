"""Tools on classification-service."""

from mcp_server.tools.builtin.upstream import Upstream, without_nulls
from mcp_server.tools.registry import Arguments, Tool
from mcp_server.tools.request import Request

_PRODUCT = {
    "type": "object",
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
            "description": "The products, each with a text and, where known, more.",
        },
        "taxonomy": {"type": "string", "enum": ["unspsc", "etim"], "default": "unspsc"},
        "top_k": {
            "type": "integer",
            "minimum": 1,
            "maximum": 20,
            "default": 5,
            "description": "How many candidate codes to return for each product.",
        },
    },
    "required": ["products"],
    "additionalProperties": False,
}
_CONFIDENCE = {"type": "number", "minimum": 0, "maximum": 1}
_CANDIDATE = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "title": {"type": "string"}, "confidence": _CONFIDENCE},
    "required": ["code", "title"],
}
_ERROR = {
    "type": "object",
    "properties": {"type": {"type": "string"}, "title": {"type": "string"}, "detail": {"type": "string"}},
    "required": ["title", "detail"],
    "description": "Why this product could not be classified; the others of the call were.",
}
_ITEM = {
    "type": "object",
    "properties": {
        "index": {"type": "integer", "minimum": 0, "description": "Position of the product in the call."},
        "id": {"type": "string"},
        "code": {"type": "string", "description": "Absent when no code is sure enough."},
        "title": {"type": "string"},
        "level": {"type": "string"},
        "confidence": _CONFIDENCE,
        "candidates": {"type": "array", "items": _CANDIDATE},
        "error": _ERROR,
    },
    "required": ["candidates"],
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
    """Return the tools."""

    async def classify_products(arguments: Arguments, request: Request) -> object:
        body = {
            "items": arguments["products"],
            "taxonomy": arguments.get("taxonomy", "unspsc"),
            "top_k": arguments.get("top_k", 5),
        }
        return without_nulls(await classification.request("POST", "/v1/classify", request, body=body))

    return [
        Tool(
            name="classify_products",
            title="Classify products",
            description=(
                "Find the UNSPSC or ETIM code of products from their names. Returns for each product the deepest code "
                "that is sure enough, its confidence between 0 and 1, and candidates."
            ),
            input_schema=_INPUT,
            output_schema=_OUTPUT,
            scopes=frozenset({classification.scope}),
            run=classify_products,
        )
    ]
