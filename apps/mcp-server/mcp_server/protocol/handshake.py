"""The handshake era, revisions up to 2025-11-25: a client begins with `initialize`, which agrees on a revision."""

from mcp_server.protocol.errors import INVALID_PARAMS, RpcError
from mcp_server.protocol.messages import Params

REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
BATCH_REVISION = "2025-03-26"
"""The only revision whose clients may send JSON-RPC batches."""

BEFORE_INITIALIZE = frozenset({"initialize", "ping"})
"""What a WebSocket connection may send before it is initialized."""


def negotiate(params: Params) -> str:
    """Return the revision to use with a client whose `initialize` has these params.

    Raises:
        RpcError: -32602, they name no revision.
    """
    requested = params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(INVALID_PARAMS, "params.protocolVersion must be a string")
    return requested if requested in REVISIONS else REVISIONS[-1]
