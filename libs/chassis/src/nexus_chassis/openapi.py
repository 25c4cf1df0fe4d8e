"""The OpenAPI document of a service, with what FastAPI does not know of it: tokens, and problems as answers."""

from typing import Any, override

from fastapi import FastAPI

from nexus_chassis.problems import MEDIA_TYPE

type Document = dict[str, Any]

PROBLEM_SCHEMA: Document = {
    "type": "object",
    "title": "Problem",
    "description": "Problem details (RFC 9457); further members depend on the type.",
    "properties": {
        "type": {"type": "string", "title": "Type"},
        "title": {"type": "string", "title": "Title"},
        "status": {"type": "integer", "title": "Status"},
        "detail": {"type": "string", "title": "Detail"},
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": True,
}
PROBLEM_CONTENT: Document = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
"""Content of an answer that is a problem."""

BEARER: Document = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
ANYBODY: Document = {"security": []}
"""`openapi_extra` of an operation that needs no token."""

ANYBODY_OR_TOKEN: Document = {"security": [{}, {"bearer": []}]}
"""`openapi_extra` of an operation that needs no token, and looks at one that is sent."""

_UNUSED = ("HTTPValidationError", "ValidationError")


class DocumentedApp(FastAPI):
    """An application whose document has a token as what operations need, and a problem as their answer to what fails."""

    @override
    def openapi(self) -> Document:
        if self.openapi_schema is None:
            self.openapi_schema = _completed(super().openapi())
        return self.openapi_schema


def _completed(document: Document) -> Document:
    components = document.get("components", {})
    schemas = {name: schema for name, schema in components.get("schemas", {}).items() if name not in _UNUSED}
    for item in document["paths"].values():
        for operation in item.values():
            _add_problem(operation["responses"])
    return {
        **document,
        "security": [{"bearer": []}],
        "components": {
            **components,
            "schemas": {**schemas, "Problem": PROBLEM_SCHEMA},
            "securitySchemes": {"bearer": BEARER},
        },
    }


def _add_problem(responses: Document) -> None:
    """Add what the services answer, and remove FastAPI's own, which they do not."""
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    responses.setdefault("default", {"description": "Why the request failed", "content": PROBLEM_CONTENT})
