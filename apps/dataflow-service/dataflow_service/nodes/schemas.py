"""How calls of nodes look in the OpenAPI document; which parameters a node has, GET /v1/nodes says."""

from pydantic import BaseModel, ConfigDict

PARAMETERS_BODY = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "title": "NodeCall",
                    "properties": {"parameters": {"type": "object"}},
                    "required": ["parameters"],
                    "additionalProperties": False,
                }
            }
        },
        "required": True,
    }
}


class NodeResult(BaseModel):
    """What the node returns: a row by its fields, a page, or numbers and ids."""

    model_config = ConfigDict(extra="allow")
