"""Error codes of JSON-RPC 2.0 and of MCP, and the exceptions that carry one."""

from collections.abc import Mapping
from typing import Any

from mcp_server.protocol.messages import MessageId

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_REVISION = -32022
RESOURCE_NOT_FOUND = -32002
"""Of revisions up to 2025-11-25; later ones have INVALID_PARAMS for it."""

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

    def body(self) -> dict[str, Any]:
        """Return the member `error` of the response."""
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        return body if self.data is None else {**body, "data": self.data}


class InsufficientScopeError(RpcError):
    """The access token lacks `missing`, a part of `scopes`, all of which `name` needs."""

    def __init__(self, name: str, scopes: frozenset[str], missing: frozenset[str]) -> None:
        self.scopes = sorted(scopes)
        lacking = sorted(missing)
        message = f"The access token lacks the scope {' '.join(lacking)}, which {name} needs"
        super().__init__(INSUFFICIENT_SCOPE, message, {"missing_scopes": lacking, "scopes": self.scopes})


class ResourceNotFoundError(RpcError):
    """There is no resource `uri`."""

    def __init__(self, uri: str) -> None:
        super().__init__(INVALID_PARAMS, f"There is no resource {uri!r:.300}", {"uri": uri})


class MissingCapabilityError(RpcError):
    """The request needs the capabilities `required`, which the client did not declare."""

    def __init__(self, required: Mapping[str, Any]) -> None:
        message = f"The client must declare the capability {', '.join(required)} for this request"
        super().__init__(MISSING_CAPABILITY, message, {"requiredCapabilities": dict(required)})
