"""How transactions look in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MAX_OPERATIONS = 100
"""Operations in one transaction."""


class Operation(BaseModel):
    """A node that changes rows, and its parameters."""

    model_config = ConfigDict(extra="forbid")

    node: str
    parameters: dict[str, Any]


class TransactionResults(BaseModel):
    """What the node of each operation returns, in their order."""

    results: list[dict[str, Any]] = Field(description="as the nodes return them")


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
                            "items": Operation.model_json_schema(),
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
