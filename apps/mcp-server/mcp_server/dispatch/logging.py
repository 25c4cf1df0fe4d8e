"""The method logging/setLevel of the handshake era."""

from mcp_server.dispatch.context import RequestContext
from mcp_server.protocol.errors import INVALID_REQUEST, RpcError
from mcp_server.protocol.messages import Params, Result
from mcp_server.protocol.notifications import check_level


async def set_level(params: Params, context: RequestContext) -> Result:
    """Let a session have log messages of a level and above."""
    level = check_level(params.get("level"))
    if context.session is None:
        raise RpcError(
            INVALID_REQUEST, "This needs a session: send initialize first, then Mcp-Session-Id with each request"
        )
    context.session.log_level = level
    if context.save is not None:
        await context.save(context.session)
    return {}
