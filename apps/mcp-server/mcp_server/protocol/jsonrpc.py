"""JSON-RPC 2.0 messages (https://www.jsonrpc.org/specification), one at a time as MCP requires."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json, to_json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

type MessageId = int | str
type Params = dict[str, Any]
type Result = dict[str, Any]


class RpcError(Exception):
    """An error with its JSON-RPC answer. `message_id` is that of a message too faulty to become a Call."""

    def __init__(self, code: int, message: str, data: object = None, *, message_id: MessageId | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.message_id = message_id


@dataclass(frozen=True, slots=True)
class Call:
    """A request, or, without an id, a notification."""

    method: str
    params: Params
    message_id: MessageId | None

    @property
    def is_notification(self) -> bool:
        """Whether no answer is wanted."""
        return self.message_id is None


def read(text: bytes | str) -> Call:
    """Read one message.

    Raises:
        RpcError: It is not JSON, not one request or notification, or its params are not an object.
    """
    try:
        message = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise RpcError(PARSE_ERROR, f"The message is not JSON: {error}") from None
    if not isinstance(message, dict):
        raise RpcError(INVALID_REQUEST, "The message is not a JSON object; send one request at a time, not a batch")
    return _call(message)


def _call(message: dict[str, Any]) -> Call:
    message_id = _message_id(message)
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        fault = 'The message is no JSON-RPC 2.0 request: "jsonrpc" must be "2.0" and "method" a string'
        raise RpcError(INVALID_REQUEST, fault, message_id=message_id)
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "The params are not an object", message_id=message_id)
    return Call(method, params, message_id)


def _message_id(message: dict[str, Any]) -> MessageId | None:
    if "id" not in message:
        return None
    message_id = message["id"]
    if isinstance(message_id, str) or type(message_id) is int:
        return message_id
    raise RpcError(INVALID_REQUEST, "The id of a request must be a string or an integer")


def success(message_id: MessageId | None, result: Result) -> bytes:
    """Write the answer to a request."""
    return to_json({"jsonrpc": "2.0", "id": message_id, "result": result})


def failure(message_id: MessageId | None, error: RpcError) -> bytes:
    """Write the answer to a request that failed."""
    told = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return to_json({"jsonrpc": "2.0", "id": message_id, "error": told})
