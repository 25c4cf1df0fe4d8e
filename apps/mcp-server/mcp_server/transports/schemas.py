"""How POST /mcp looks in the OpenAPI document."""

from typing import Any

from mcp_server.protocol import handshake, jsonrpc, stateless
from nexus_chassis.openapi import PROBLEM_CONTENT

_METHODS = (
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
)
_JSONRPC = {"const": "2.0"}
_MESSAGE = {
    "type": "object",
    "title": "Message",
    "description": "A request, or without an id a notification.",
    "properties": {
        "jsonrpc": _JSONRPC,
        "id": {"type": ["string", "integer"]},
        "method": {"anyOf": [{"enum": list(_METHODS)}, {"type": "string"}]},
        "params": {"type": ["object", "null"]},
    },
    "required": ["jsonrpc", "method"],
}
_BATCH = {
    "type": "array",
    "title": "Batch",
    "description": f"Messages of the revision {handshake.BATCH_REVISION}; one that is none is answered with an error of its own.",
    "minItems": 1,
    "maxItems": jsonrpc.MAX_BATCH,
}
_VERSION = {
    "name": "MCP-Protocol-Version",
    "in": "header",
    "schema": {"type": "string", "enum": [*handshake.REVISIONS, *stateless.REVISIONS]},
}
EXCHANGE: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": {"anyOf": [_MESSAGE, _BATCH]}}}, "required": True},
    "parameters": [_VERSION],
}

_ERROR = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}, "data": {}},
    "required": ["code", "message"],
}
_ANSWER = {"jsonrpc": _JSONRPC, "id": {"type": ["string", "integer"]}}
_SUCCESS = {
    "type": "object",
    "title": "Success",
    "properties": {**_ANSWER, "result": {"type": "object"}},
    "required": ["jsonrpc", "id", "result"],
}
_FAILURE = {
    "type": "object",
    "title": "Failure",
    "properties": {**_ANSWER, "error": _ERROR},
    "required": ["jsonrpc", "error"],
}
_RESPONSE = {"anyOf": [_SUCCESS, _FAILURE]}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "the response, or those of a batch",
        "content": {
            "application/json": {"schema": {"anyOf": [*_RESPONSE["anyOf"], {"type": "array", "items": _RESPONSE}]}},
            "text/event-stream": {"schema": {"type": "string"}},
        },
    },
    202: {"description": "notifications have no response"},
    "default": {
        "description": "Why the request failed",
        "content": {"application/json": {"schema": _FAILURE}, **PROBLEM_CONTENT},
    },
}

SESSION: dict[str, Any] = {
    "parameters": [
        {"name": "Mcp-Session-Id", "in": "header", "required": True, "schema": {"type": "string", "minLength": 1}}
    ]
}
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "notifications", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
