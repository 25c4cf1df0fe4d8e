"""Schemas of the tools by which agents find, run and inspect workflows."""

from typing import Any

from mcp_server.tools.definitions import MAX_SECONDS, NAME
from mcp_server.workflows.run_descriptions import LINE, RUN

DEFAULT_ALIAS = "live"
DEFAULT_WAIT_SECONDS = 30
MAX_WORKFLOWS = 200
MAX_LINES = 1000
DEFAULT_LINES = 200

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_SCHEMA = {"type": "object"}


def _arguments(*required: str, **properties: Any) -> dict[str, Any]:  # noqa: ANN401  any schema
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _name(description: str, **more: str) -> dict[str, Any]:
    return {"type": "string", "pattern": NAME, "description": description, **more}


_WORKFLOW = _name("Name of the workflow, as list_workflows returns it.")
_ALIAS = _name("Which deployed version.", default=DEFAULT_ALIAS)
_RUN_ID = {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "description": "The run_id of run_workflow."}

LIST_INPUT = _arguments(
    limit={"type": "integer", "minimum": 1, "maximum": MAX_WORKFLOWS, "default": MAX_WORKFLOWS},
    after=_name("The `next` of the page before."),
)
LIST_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": _TEXT,
                    "latest": {"type": "integer", "description": "The newest version, deployed or not."},
                    "aliases": {
                        "type": "object",
                        "additionalProperties": _NUMBER,
                        "description": "The version that each alias names.",
                    },
                },
                "required": ["name", "latest", "aliases"],
            },
        },
        "next": {"type": "string", "description": "What to send as `after` for the next page; absent at the end."},
    },
    "required": ["items"],
}

GET_INPUT = _arguments("workflow", workflow=_WORKFLOW, alias=_ALIAS)
GET_OUTPUT = {
    "type": "object",
    "properties": {
        "workflow": _TEXT,
        "alias": _TEXT,
        "version": _NUMBER,
        "description": _TEXT,
        "inputSchema": {**_SCHEMA, "description": "JSON Schema of the arguments of a run."},
        "outputSchema": {**_SCHEMA, "description": "JSON Schema of the result; absent where there is none."},
        "scopes": {"type": "array", "items": _TEXT, "description": "What a token needs for a run, besides tools:call."},
        "timeout_seconds": {"type": "number"},
    },
    "required": ["workflow", "alias", "version", "inputSchema", "scopes", "timeout_seconds"],
}

VERSIONS_INPUT = _arguments("workflow", workflow=_WORKFLOW)
VERSIONS_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "version": _NUMBER,
                    "state": {"type": "string", "enum": ["draft", "validated", "tested", "published"]},
                    "parent": {"type": "integer", "description": "The version that it was made from."},
                    "content_hash": _TEXT,
                    "author": _TEXT,
                    "created_at": _TEXT,
                },
                "required": ["version", "state", "content_hash", "author", "created_at"],
            },
        }
    },
    "required": ["items"],
}

RUN_INPUT = _arguments(
    "workflow",
    workflow=_WORKFLOW,
    alias=_ALIAS,
    version={
        "type": "integer",
        "minimum": 1,
        "maximum": 2**31 - 1,
        "description": "A published version, not an alias.",
    },
    arguments={"type": "object", "default": {}, "description": "As the inputSchema of get_workflow describes them."},
    wait_seconds={
        "type": "number",
        "minimum": 0,
        "maximum": MAX_SECONDS,
        "default": DEFAULT_WAIT_SECONDS,
        "description": "How long to wait for the end. A run that takes longer goes on: look with get_workflow_run.",
    },
)
RUN_OUTPUT = RUN

RUN_ID_INPUT = _arguments("run_id", run_id=_RUN_ID)

LOGS_INPUT = _arguments(
    "run_id",
    run_id=_RUN_ID,
    after={"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0, "description": "The `next` before."},
    limit={"type": "integer", "minimum": 1, "maximum": MAX_LINES, "default": DEFAULT_LINES},
)
LOGS_OUTPUT = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": LINE},
        "next": {
            "type": "integer",
            "description": "What to send as `after` for the lines that follow, also later ones.",
        },
    },
    "required": ["items", "next"],
}
