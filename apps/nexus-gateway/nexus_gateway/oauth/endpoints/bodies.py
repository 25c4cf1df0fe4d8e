"""What the endpoints have in common."""

from typing import Any

from fastapi import Response
from pydantic import BaseModel

from nexus_gateway.oauth.forms import FORM_TYPE


def form_of(model: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI description of an operation that takes a form with these fields."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    for name, field in schema["properties"].items():
        schema["properties"][name] = definitions.get(field.get("$ref", "").rpartition("/")[2], field)
    schema["additionalProperties"] = {"type": "string"}  # RFC 6749 section 3.2: unknown ones are ignored
    return {"requestBody": {"content": {FORM_TYPE: {"schema": schema}}, "required": True}}


def no_store(response: Response) -> None:
    """Keep caches from storing the answer (RFC 6749 section 5.1)."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
