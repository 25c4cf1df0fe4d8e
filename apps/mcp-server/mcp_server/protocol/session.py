"""What the server knows of a client of the handshake era after `initialize`."""

from dataclasses import dataclass, field
from typing import Any

from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.handshake import negotiate
from mcp_server.protocol.messages import Params

MAX_SUBSCRIPTIONS = 1000
DEFAULT_LEVEL = "info"


@dataclass(slots=True, kw_only=True)
class Session:
    """A client's session: a WebSocket connection, or, with `session_id`, one over HTTP."""

    revision: str
    capabilities: dict[str, Any] = field(default_factory=dict)
    client_info: dict[str, Any] = field(default_factory=dict)
    log_level: str = DEFAULT_LEVEL
    subscriptions: set[str] = field(default_factory=set)
    session_id: str = ""

    def subscribe(self, uri: str) -> None:
        """Send notices of changes of a resource; raises RpcError where there are too many."""
        if len(self.subscriptions) >= MAX_SUBSCRIPTIONS and uri not in self.subscriptions:
            raise RpcError(INVALID_PARAMS, f"A session has at most {MAX_SUBSCRIPTIONS} subscriptions")
        self.subscriptions.add(uri)


def begin(params: Params) -> Session:
    """Return the session of a client whose `initialize` has these params.

    Raises:
        RpcError: -32602, a param is missing or of the wrong type.
    """
    revision = negotiate(params)
    members = {name: params.get(name, {}) for name in ("capabilities", "clientInfo")}
    for name, value in members.items():
        if not isinstance(value, dict):
            raise RpcError(INVALID_PARAMS, f"params.{name} must be an object")
    return Session(revision=revision, capabilities=members["capabilities"], client_info=members["clientInfo"])
