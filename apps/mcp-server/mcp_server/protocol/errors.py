"""Error codes of JSON-RPC 2.0 and of MCP, and the exception that carries one."""

from mcp_server.protocol.messages import MessageId

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_REVISION = -32022
INSUFFICIENT_SCOPE = 4403
"""The token lacks a scope that a tool needs. Own codes are outside the range that JSON-RPC and MCP reserve."""

OVERLOADED = 4503
"""Too much is in flight; the same request may succeed later."""


class RpcError(Exception):
    """An error that becomes a JSON-RPC error response.

    `message_id` is the id of a message that is too malformed to become a Call, where it has a readable one.
    """

    def __init__(self, code: int, message: str, data: object = None, *, message_id: MessageId | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.message_id = message_id


class InsufficientScopeError(RpcError):
    """The access token lacks `missing`, a part of `scopes`, all of which the tool `tool` needs."""

    def __init__(self, tool: str, scopes: frozenset[str], missing: frozenset[str]) -> None:
        self.scopes = sorted(scopes)
        lacking = sorted(missing)
        message = f"The access token lacks the scope {' '.join(lacking)}, which {tool} needs"
        super().__init__(INSUFFICIENT_SCOPE, message, {"missing_scopes": lacking, "scopes": self.scopes})
