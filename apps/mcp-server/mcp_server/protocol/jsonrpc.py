"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification): reading requests, writing responses."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from mcp_server.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RpcError
from mcp_server.protocol.messages import Call, MessageId, Params, Result
from nexus_chassis import strict_json

MAX_BATCH = 32
"""Messages of one batch."""

_NOT_ONE = "The message is not a JSON object; send one request at a time, not a batch"


@dataclass(frozen=True, slots=True)
class Batch:
    """Several messages sent as one array: each a Call, or the error of a member that is none."""

    members: list[Call | RpcError]


def read(text: bytes | str, *, batches: bool = False) -> Call | Batch:
    """Read a request or a notification; with `batches`, also an array of them.

    Raises:
        RpcError: The text is not strict JSON, not a request or notification, or its params are not an object.
    """
    try:
        message = strict_json.loads(text)
    except strict_json.InvalidJsonError as error:
        raise RpcError(PARSE_ERROR, f"The message cannot be read: {error}") from None
    if batches and isinstance(message, list):
        return _batch(message)
    return _call(message)


def _batch(messages: list[Any]) -> Batch:
    if not 1 <= len(messages) <= MAX_BATCH:
        raise RpcError(INVALID_REQUEST, f"The batch has {len(messages)} messages; send 1 to {MAX_BATCH}")
    return Batch([_member(message) for message in messages])


def _member(message: object) -> Call | RpcError:
    try:
        return _call(message)
    except RpcError as error:
        return error


def _call(message: object) -> Call:
    if not isinstance(message, dict):
        raise RpcError(INVALID_REQUEST, _NOT_ONE)
    message_id = _message_id(message)
    method = message.get("method")
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        fault = 'The message is not a JSON-RPC 2.0 request: "jsonrpc" must be "2.0" and "method" a string'
        raise RpcError(INVALID_REQUEST, fault, message_id=message_id)
    return Call(method, _params(message, message_id), message_id)


def _params(message: dict[str, Any], message_id: MessageId | None) -> Params:
    params = message.get("params")
    if params is None:  # some clients send null where they have none
        return {}
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "The params are not an object", message_id=message_id)
    return params


def _message_id(message: dict[str, Any]) -> MessageId | None:
    if "id" not in message:
        return None
    message_id = message["id"]
    if isinstance(message_id, str) or type(message_id) is int:
        return message_id
    raise RpcError(INVALID_REQUEST, "The id of a request must be a string or an integer")


def success(message_id: MessageId | None, result: Result) -> bytes:
    """Return the response to a request that succeeded."""
    return to_json({"jsonrpc": "2.0", "id": message_id, "result": result})


def failure(message_id: MessageId | None, error: RpcError) -> bytes:
    """Return the response to a request that failed."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return to_json({"jsonrpc": "2.0", "id": message_id, "error": body})


def batch(responses: list[bytes]) -> bytes:
    """Return the response to a batch."""
    return b"[" + b",".join(responses) + b"]"
