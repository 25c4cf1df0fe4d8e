"""How transactions look in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, Field

MAX_OPERATIONS = 100
"""Operations in one transaction."""


class TransactionResults(BaseModel):
    """What the node of each operation returns, in their order."""

    results: list[dict[str, Any]] = Field(description="as the nodes return them")


_OPERATION = {
    "type": "object",
    "title": "Operation",
    "description": "A node that changes rows, and its parameters.",
    "properties": {"node": {"$ref": "#/components/schemas/NodeName"}, "parameters": {"type": "object"}},
    "required": ["node", "parameters"],
    "additionalProperties": False,
}
TRANSACTION_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "title": "Transaction",
                    "properties": {
                        "operations": {
                            "type": "array",
                            "items": _OPERATION,
                            "minItems": 1,
                            "maxItems": MAX_OPERATIONS,
                        }
                    },
                    "required": ["operations"],
                    "additionalProperties": False,
                }
            }
        },
        "required": True,
    }
}
