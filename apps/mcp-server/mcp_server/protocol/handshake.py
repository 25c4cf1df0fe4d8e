"""The handshake era, revisions up to 2025-11-25: a connection begins with `initialize`, which agrees on a revision."""

from mcp_server.protocol.errors import INVALID_PARAMS, INVALID_REQUEST, RpcError
from mcp_server.protocol.messages import Call, Params

REVISIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
BATCH_REVISION = "2025-03-26"
"""The only revision whose clients may send JSON-RPC batches."""

_BEFORE_INITIALIZE = frozenset({"initialize", "ping"})


def negotiate(params: Params) -> str:
    """Return the revision to use with a client whose `initialize` has these params.

    Raises:
        RpcError: -32602, they name no revision.
    """
    requested = params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(INVALID_PARAMS, "params.protocolVersion must be a string")
    return requested if requested in REVISIONS else REVISIONS[-1]


class Handshake:
    """The state of one connection. `revision` is None until `initialize` succeeded."""

    def __init__(self) -> None:
        self.revision: str | None = None

    @property
    def batches(self) -> bool:
        """Whether the client may send batches."""
        return self.revision == BATCH_REVISION

    def check(self, call: Call) -> None:
        """Check that a request may be sent at this point.

        Raises:
            RpcError: -32600, `initialize` is missing or sent again.
        """
        if call.method == "initialize" and self.revision is not None:
            raise RpcError(INVALID_REQUEST, "This connection is initialized already")
        if self.revision is None and call.method not in _BEFORE_INITIALIZE:
            message = "Send initialize first, or io.modelcontextprotocol/protocolVersion in params._meta"
            raise RpcError(INVALID_REQUEST, message)

    def complete(self, call: Call) -> None:
        """Take note of a request that succeeded."""
        if call.method == "initialize":
            self.revision = negotiate(call.params)
