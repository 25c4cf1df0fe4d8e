"""JSON-RPC 2.0 (https://www.jsonrpc.org/specification): reading requests, writing responses."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from mcp_server.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR, RpcError
from mcp_server.protocol.messages import Call, Encoded, MessageId, Params, Reply, Result
from nexus_chassis import strict_json

MAX_BATCH = 32
"""Messages of one batch."""

type Message = Call | Reply

_NOT_ONE = "The message is not a JSON object; send one request at a time, not a batch"


@dataclass(frozen=True, slots=True)
class Batch:
    """Several messages sent as one array: each a message, or the error of a member that is none."""

    members: list[Message | RpcError]


def read(text: bytes | str, *, batches: bool = False) -> Message | Batch:
    """Read a request, a notification or a response; with `batches`, also an array of them.

    Raises:
        RpcError: The text is not strict JSON, not a message, or its params are not an object.
    """
    try:
        message = strict_json.loads(text)
    except strict_json.DuplicateNameError as error:
        raise RpcError(INVALID_REQUEST, f"The message is ambiguous: {error}") from None
    except strict_json.InvalidJsonError as error:
        raise RpcError(PARSE_ERROR, f"The message cannot be read: {error}") from None
    if batches and isinstance(message, list):
        return _batch(message)
    return _message(message)


def _batch(messages: list[Any]) -> Batch:
    if not 1 <= len(messages) <= MAX_BATCH:
        raise RpcError(INVALID_REQUEST, f"The batch has {len(messages)} messages; send 1 to {MAX_BATCH}")
    return Batch([_member(message) for message in messages])


def _member(message: object) -> Message | RpcError:
    try:
        return _message(message)
    except RpcError as error:
        return error


def _message(message: object) -> Message:
    if not isinstance(message, dict):
        raise RpcError(INVALID_REQUEST, _NOT_ONE)
    message_id = _message_id(message)
    if "method" not in message and message_id is not None and message.get("jsonrpc") == "2.0":
        return _reply(message, message_id)
    method = message.get("method")
    if message.get("jsonrpc") != "2.0" or not isinstance(method, str):
        fault = 'The message is not a JSON-RPC 2.0 request: "jsonrpc" must be "2.0" and "method" a string'
        raise RpcError(INVALID_REQUEST, fault, message_id=message_id)
    return Call(method, _params(message, message_id), message_id)


def _reply(message: dict[str, Any], message_id: MessageId) -> Reply:
    result, error = message.get("result"), message.get("error")
    if isinstance(result, dict) == isinstance(error, dict):
        fault = "A response has either a result or an error, which is an object"
        raise RpcError(INVALID_REQUEST, fault, message_id=message_id)
    return Reply(message_id, result if isinstance(result, dict) else None)


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


def success(message_id: MessageId | None, result: Result, suffix: bytes = b"") -> bytes:
    """Return the response to a request that succeeded; `suffix` has further members of the result, as JSON."""
    members = result if isinstance(result, Encoded) else to_json(result)[1:-1]
    comma = b"," if members and suffix else b""
    return b"".join((b'{"jsonrpc":"2.0","id":', to_json(message_id), b',"result":{', members, comma, suffix, b"}}"))


def failure(message_id: MessageId | None, error: RpcError) -> bytes:
    """Return the response to a request that failed; it has no id where none was readable."""
    known = {} if message_id is None else {"id": message_id}
    return to_json({"jsonrpc": "2.0", **known, "error": error.body()})


def notification(method: str, params: Params) -> bytes:
    """Return a notification to the client."""
    return to_json({"jsonrpc": "2.0", "method": method, "params": params})


def request(message_id: MessageId, method: str, params: Params) -> bytes:
    """Return a request to the client."""
    return to_json({"jsonrpc": "2.0", "id": message_id, "method": method, "params": params})


def batch(responses: list[bytes]) -> bytes:
    """Return the response to a batch."""
    return b"[" + b",".join(responses) + b"]"
